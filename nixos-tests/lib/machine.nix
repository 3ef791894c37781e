# A host whose model is a script, so that nothing of the tests needs a network or a key.
{ config, lib, ... }:
let
  inherit (config.services.hyperhive.package) python;
  credential = "/var/lib/secrets/anthropic";
  port = "8765";
in
{
  options.scenario = lib.mkOption {
    type = lib.types.path;
    default = ../../hyperhive/demo/scenarios/swarm.yaml;
    description = "What the scripted model does; docs/scenarios.md has the format.";
  };

  config = {
    services.hyperhive = {
      enable = true;
      credentialFile = credential;
      models.sonnet.id = "claude-sonnet-5-5";
      models.haiku.id = "claude-haiku-5-5";
      defaultModel = "sonnet";
      helperModel = "haiku";
      manager.autoStart = lib.mkDefault false;
      settings.upstream = "http://127.0.0.1:${port}";
    };

    systemd.tmpfiles.rules = [
      "d ${dirOf credential} 0700 root root -"
      "f ${credential} 0600 root root - scripted-model"
    ];
    systemd.services.scripted-model = {
      description = "Scripted model";
      wantedBy = [ "multi-user.target" ];
      before = [ "hyperhive.service" ];
      serviceConfig = {
        ExecStart = "${python}/bin/python3 -I ${./scripted_model.py} ${config.scenario} ${port}";
        DynamicUser = true;
      };
    };

    # Agents are built in the machine, of what its store has.
    nix.settings.substituters = lib.mkForce [ ];
    virtualisation = {
      cores = 2;
      diskSize = 8192;
      memorySize = 4096;
      writableStore = true;
      # What is built in there is there after a reboot.
      writableStoreUseTmpfs = false;
    };
  };
}
