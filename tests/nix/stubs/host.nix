# The NixOS options that module.nix sets or reads, with the types that they have in NixOS.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  flag = option types.bool;
  anything = option (types.attrsOf types.anything) { };
  strings = option (types.listOf types.str) [ ];
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = strings;
    environment.etc = option (types.attrsOf (
      types.submodule {
        options = {
          text = option (types.nullOr types.lines) null;
          source = option (types.nullOr types.path) null;
          mode = option types.str "symlink";
        };
      }
    )) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    nix.enable = flag true;
    nix.package = option types.package (pkgs.nix);
    nix.settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        options = {
          sandbox = option (types.either types.bool (types.enum [ "relaxed" ])) true;
          allowed-users = option (types.listOf types.str) [ "*" ];
          trusted-users = option (types.listOf types.str) [ "root" ];
        };
      };
      default = { };
    };
    nixpkgs.flake.source = option (types.nullOr (types.either types.str types.path)) null;
    security.polkit.enable = flag false;
    services.nginx = {
      enable = flag false;
      defaultHTTPListenPort = option types.port 80;
      defaultSSLListenPort = option types.port 443;
    };
    services.openssh = {
      enable = flag false;
      ports = option (types.listOf types.port) [ 22 ];
    };
    system.extraDependencies = option (types.listOf types.pathInStore) [ ];
    systemd.package = option types.package (pkgs.util-linux // { version = "261"; });
    systemd.packages = option (types.listOf types.package) [ ];
    systemd.services = option (types.attrsOf (
      types.submodule {
        options = {
          wantedBy = strings;
          path = option (types.listOf (types.either types.package types.str)) [ ];
          environment = option (types.attrsOf types.str) { };
          restartTriggers = option (types.listOf types.unspecified) [ ];
          stopIfChanged = flag true;
        };
      }
    )) { };
    systemd.tmpfiles.rules = strings;
    users.groups = anything;
    users.users = option (types.attrsOf (
      types.submodule {
        options = {
          isSystemUser = flag false;
          description = option types.str "";
          home = option types.path "/var/empty";
          group = option types.str "";
          extraGroups = strings;
        };
      }
    )) { };
  };
}
