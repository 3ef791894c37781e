# nixos/lib/eval-config.nix of a nixpkgs that has a library and these stubs.
{ modules, system }:
let
  lib = import ../../lib;
in
assert system == null;
lib.evalModules {
  modules = [ ../../stubs/container.nix ] ++ modules;
  specialArgs.pkgs = import ../../stubs/pkgs.nix { inherit lib; };
}
