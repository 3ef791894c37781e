# In place of the release before: of this one the package and the flake that agents are built with, each
# under another store path, so that an upgrade from it replaces both.
{ config, pkgs, ... }:
let
  flake = import ../../nix/host-flake.nix {
    inherit pkgs;
    inherit (config.services.hyperhive.nix) nixpkgs;
  };
in
{
  services.hyperhive = {
    package = pkgs.callPackage ../../nix/package.nix { version = "0.0.0"; };
    nix.flake = pkgs.runCommand "hyperhive-flake-before" { } ''
      cp --recursive --no-preserve=mode ${flake} $out
      echo "# As it was before." >>$out/flake.nix
    '';
  };
}
