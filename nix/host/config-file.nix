# /etc/hyperhive/config.yaml, which docs/configuration.md describes. JSON is YAML.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;
  credentials = "/run/credentials/hyperhive.service";

  set = lib.filterAttrsRecursive (_: value: value != null);

  # The path as the service sees it: a path of the configuration itself is copied to the store.
  modulePath = module: if builtins.isPath module then "${module}" else toString module;

  agent =
    it:
    set {
      inherit (it)
        apply
        autoStart
        budget
        description
        ;
      capabilities = it.capabilities or null;
      role = it.role or null;
      selfPropose = it.selfPropose or null;
      module = lib.mapNullable modulePath it.module;
      settings = {
        inherit (it)
          allowedBash
          allowedRecipients
          allowedTools
          context
          egress
          extraMcpServers
          fallbackModel
          healthTimeout
          model
          notes
          prompt
          ;
      };
    }
    // {
      limits = cfg.limits // set it.limits;
    };

  # The program itself says whether the file is right, before anything is installed.
  file =
    pkgs.runCommand "hyperhive.yaml"
      {
        text = builtins.toJSON cfg.settings;
        passAsFile = [ "text" ];
        preferLocalBuild = true;
      }
      ''
        cp "$textPath" config.yaml
        ${lib.getExe cfg.package} check-config config.yaml
        cp config.yaml $out
      '';
in
{
  config = lib.mkIf cfg.enable {
    services.hyperhive = {
      defaultModel = lib.mkIf (lib.length (lib.attrNames cfg.models) == 1) (
        lib.mkDefault (lib.head (lib.attrNames cfg.models))
      );

      settings = {
        stateDir = "/var/lib/hyperhive/service";
        runDir = "/run/hyperhive/service";
        agentsDir = "/var/lib/hyperhive/agents";
        credentialFile = "${credentials}/credential";
        inherit (cfg)
          defaultModel
          helperModel
          models
          retention
          strictVersions
          ;
        dashboard = {
          inherit (cfg.dashboard) allowedHosts host port;
          tokenFile = lib.mapNullable (_: "${credentials}/token") cfg.dashboard.tokenFile;
        };
        runtime.kind = "nspawn";
        nix = {
          flake = "${cfg.nix.flake}";
          inherit (cfg.nix) buildSeconds evalSeconds offline;
        };
        manager = agent cfg.manager;
        agents = lib.mapAttrs (_: agent) cfg.agents;
        agentDefaults = agent cfg.agentDefaults;
      };
    };

    environment.etc."hyperhive/config.yaml".source = file;
    systemd.services.hyperhive.restartTriggers = [ file ];
  };
}
