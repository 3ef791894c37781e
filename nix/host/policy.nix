# /etc/hyperhive/policy.json: what the programs that are root grant, whatever the service asks for.
# hyperhive/nspawn/launch_policy.py describes it.
{ config, lib, ... }:
let
  cfg = config.services.hyperhive;

  agent = it: {
    ceilings = lib.filterAttrs (_: value: value != null) it.limits;
    binds = lib.mapAttrsToList (target: bind: {
      source = bind.hostPath;
      inherit target;
      writable = !bind.isReadOnly;
    }) it.bindMounts;
    capabilities = it.linuxCapabilities;
    inherit (it) devices;
  };

  policy = {
    stateDir = "/var/lib/hyperhive";
    runDir = "/run/hyperhive";
    serviceUser = "hyperhive";
    bundleRoots = [ builtins.storeDir ];
    bindReadOnly = [ builtins.storeDir ];
    root = {
      sizeMax = 256 * 1024 * 1024;
      inodesMax = 65536;
    };
    ceilings = cfg.limits;
    agents = lib.mapAttrs (_: agent) (cfg.agents // { inherit (cfg) manager; });
  };
in
{
  config = lib.mkIf cfg.enable {
    # With a mode it is a file of its own in /etc: a link would be refused by those who trust it.
    environment.etc."hyperhive/policy.json" = {
      text = builtins.toJSON policy + "\n";
      mode = "0444";
    };
  };
}
