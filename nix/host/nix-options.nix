# `services.hyperhive.nix.*`: how agents are evaluated and built.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  seconds =
    max: default: example: what:
    mkOption {
      type = types.ints.between 1 max;
      inherit default example;
      description = "Seconds after which ${what} of an agent is stopped. The old one goes on running.";
    };
in
{
  options.services.hyperhive.nix = {
    nixpkgs = mkOption {
      type = types.path;
      default =
        let
          source = config.nixpkgs.flake.source or null;
        in
        if source != null then source else pkgs.path;
      defaultText = lib.literalMD "the nixpkgs that the host itself is built from";
      example = lib.literalExpression "inputs.nixpkgs";
      description = "The nixpkgs that agents are built from.";
    };
    flake = mkOption {
      type = types.path;
      default = import ../host-flake.nix {
        inherit pkgs;
        inherit (config.services.hyperhive.nix) nixpkgs;
      };
      defaultText = lib.literalMD "a flake that pins `nixpkgs` and hyperhive to what the host is built from";
      example = "/etc/hyperhive/flake";
      description = ''
        Directory with the `flake.nix` and `flake.lock` that agents' modules are built with. Its output
        `proposal` is what is deployed; docs/nixos.md of hyperhive says what it must have.
      '';
    };
    offline = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether agents are built from what the Nix store has and nothing is fetched. With `false` a
        package that the host does not have yet comes from the host's substituters.
      '';
    };
    evalSeconds = seconds 86400 300 120 "the evaluation";
    buildSeconds = seconds 604800 3600 7200 "the build";
  };
}
