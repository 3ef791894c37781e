final: _: {
  hyperhive = final.callPackage ./package.nix { };
  hyperhive-harness = final.callPackage ./harness.nix { };
}
