{ pkgs }:
rec {
  default = hyperhive;
  hyperhive = pkgs.callPackage ./package.nix { };
  harness = pkgs.callPackage ./harness.nix { };
}
