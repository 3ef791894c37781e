# The NixOS options that agent.nix sets or reads, with the types that they have in NixOS, and a system
# that can be built: a directory with what would be in it as JSON, and an init.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  flag = option types.bool;
  strings = option (types.listOf types.str) [ ];
  anything = option (types.attrsOf types.anything) { };

  failed = map (it: it.message) (lib.filter (it: !it.assertion) config.assertions);
  inside = {
    inherit (config)
      boot
      environment
      networking
      programs
      services
      users
      ;
    units = config.systemd.services;
  };
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = strings;
    boot = {
      initrd.systemd.enable = flag true;
      isNspawnContainer = flag false;
      specialFileSystems = mkOption { type = types.attrsOf types.anything; };
    };
    documentation.enable = flag true;
    environment = {
      defaultPackages = option (types.listOf types.package) [ ];
      etc = anything;
      systemPackages = option (types.listOf types.package) [ ];
    };
    networking = {
      firewall.enable = flag true;
      hostName = option types.str "nixos";
      resolvconf.enable = flag true;
      useDHCP = flag true;
      useHostResolvConf = flag true;
    };
    nix.enable = flag true;
    nixpkgs.config = option (types.attrsOf types.unspecified) { };
    nixpkgs.hostPlatform = option types.str "";
    programs.command-not-found.enable = flag true;
    programs.git = {
      enable = flag false;
      config = anything;
    };
    security.sudo.enable = flag true;
    services.journald.extraConfig = option types.lines "";
    services.logrotate.enable = flag true;
    services.nscd.enable = flag true;
    system.build = option (types.attrsOf types.unspecified) { };
    system.nixos.release = option types.str "26.11";
    system.nssModules = option (types.listOf types.path) [ ];
    system.stateVersion = mkOption { type = types.str; };
    systemd.oomd.enable = flag true;
    systemd.services = option (types.attrsOf (
      types.submodule {
        options = {
          description = option types.str "";
          environment = option (types.attrsOf types.str) { };
          path = option (types.listOf (types.either types.package types.str)) [ ];
          serviceConfig = anything;
          unitConfig = anything;
          wantedBy = strings;
        };
      }
    )) { };
    users = {
      allowNoPasswordLogin = flag false;
      groups = anything;
      mutableUsers = flag true;
      users = anything;
    };
  };

  config = {
    boot.specialFileSystems."/run/keys".fsType = "ramfs";
    system.build.toplevel =
      if failed != [ ] then
        throw "Failed assertions:\n${lib.concatMapStrings (message: "- ${message}\n") failed}"
      else
        pkgs.runCommand "nixos-system" {
          inside = builtins.toJSON inside;
          passAsFile = [ "inside" ];
        } ''
          mkdir "$out"
          cp "$insidePath" "$out/inside.json"
          printf '#!/bin/sh\n' >"$out/init"
          chmod 755 "$out/init"
        '';
  };
}
