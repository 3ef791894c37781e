# What the machines of NixOS tests set besides the options of host.nix.
{
  extendModules,
  lib,
  name,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
in
{
  options = {
    networking.firewall.enable = option types.bool true;
    specialisation = option (types.attrsOf (
      types.submodule {
        options.configuration = mkOption {
          default = { };
          # Each begins with all that the machine itself has.
          inherit (extendModules { modules = [ { specialisation = lib.mkOverride 0 { }; } ]; }) type;
        };
      }
    )) { };
    system.build.toplevel = option types.package (
      pkgs.runCommand "nixos-system-${name}" { } "mkdir $out"
    );
    system.switch.enable = option types.bool false;
    systemd.services = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            before = option (types.listOf types.str) [ ];
            description = option types.str "";
            serviceConfig = option (types.attrsOf types.anything) { };
          };
        }
      );
    };
    virtualisation = {
      cores = option types.ints.positive 1;
      diskSize = option (types.nullOr types.ints.positive) 1024;
      memorySize = option types.ints.positive 1024;
      writableStore = option types.bool true;
      writableStoreUseTmpfs = option types.bool true;
    };
  };
}
