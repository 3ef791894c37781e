# `nix flake check`: the packages, the project's own checks, and every file of nixos-tests/.
{
  pkgs,
  self,
  # The flake of the release before, from which nixos-tests/upgrade.nix upgrades, once there is one.
  previous ? null,
}:
let
  inherit (pkgs) lib;

  development = pkgs.python3.withPackages (
    packages:
    with packages;
    [
      import-linter
      mypy
      playwright
      pytest
      pytest-aiohttp
      pytest-asyncio
      ruff
      types-pyyaml
    ]
    ++ (pkgs.callPackage ./package.nix { }).dependencies
  );

  check =
    name: command:
    pkgs.runCommand "hyperhive-${name}"
      {
        nativeBuildInputs = [
          development
          pkgs.bash
          pkgs.git
          pkgs.nixfmt
        ];
      }
      ''
        cp --recursive ${self} source
        chmod --recursive u+w source
        cd source
        patchShebangs hive .ci
        ${command}
        touch $out
      '';

  tests = ../nixos-tests;
  behaviours = lib.filter (lib.hasSuffix ".nix") (lib.attrNames (lib.readDir tests));
in
import ./packages.nix { inherit pkgs; }
// {
  format = check "format" "ruff format --check . && nixfmt --check *.nix $(find nix nixos-tests tests -name '*.nix')";
  lint = check "lint" "ruff check .";
  types = check "types" "mypy";
  layers = check "layers" "lint-imports --no-logo";
  units = check "units" "python -m pytest tests/protocol tests/config tests/hive tests/nspawn";
  option-docs = check "option-docs" ''
    diff docs/options.md ${pkgs.writeText "options.md" (import ./docs.nix { inherit lib; })}
  '';
}
// lib.listToAttrs (
  map (
    file:
    lib.nameValuePair "nixos-${lib.removeSuffix ".nix" file}" (
      pkgs.testers.runNixOSTest {
        imports = [ (tests + "/${file}") ];
        _module.args.hyperhive = import (tests + "/lib") { inherit lib previous; };
        defaults.imports = [ ../module.nix ];
      }
    )
  ) behaviours
)
