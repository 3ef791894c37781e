# A small NixOS that boots in an empty root, without a network, as root of nobody's machine.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkDefault mkForce;
in
{
  boot =
    (if options.boot ? isNspawnContainer then { isNspawnContainer = true; } else { isContainer = true; })
    // {
      # systemd-nspawn has mounted them; in a user namespace some cannot be mounted once more.
      specialFileSystems = mkForce { };
      # `init` is the script that activates the system, as in every container.
      initrd.systemd.enable = mkDefault false;
    };

  users = {
    mutableUsers = false;
    # The operator's shell comes from the host, which asks for none.
    allowNoPasswordLogin = true;
    users.agent = {
      isNormalUser = true;
      uid = 1000;
      group = "agent";
      home = "/home/agent";
      # It is there, and the agent's.
      createHome = false;
    };
    groups.agent.gid = 1000;
  };

  # Only loopback, which systemd-nspawn brings up, and no capability to change that.
  networking = {
    useDHCP = false;
    useHostResolvConf = mkForce false;
    resolvconf.enable = false;
    firewall.enable = false;
  };

  # No daemon: what an agent has is what its module says.
  nix.enable = false;

  # The host keeps the log; what is inside is gone with the container.
  services.journald.extraConfig = ''
    Storage=volatile
    RuntimeMaxUse=8M
    ForwardToConsole=yes
    MaxLevelConsole=info
  '';
  environment.etc."systemd/system.conf.d/hyperhive.conf".text = ''
    [Manager]
    DefaultTimeoutStopSec=5s
    ShowStatus=no
  '';

  # Everything that an agent does not need, or that cannot work in its container.
  documentation.enable = mkDefault false;
  environment.defaultPackages = mkDefault [ ];
  programs.command-not-found.enable = mkDefault false;
  security.sudo.enable = mkDefault false;
  services.logrotate.enable = mkDefault false;
  services.nscd.enable = mkDefault false;
  system.nssModules = mkForce [ ];
  systemd.oomd.enable = mkDefault false;

  system.stateVersion = mkDefault config.system.nixos.release;
}
