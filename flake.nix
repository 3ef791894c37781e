{
  description = "A swarm of Claude Code agents on one NixOS host, each in its own container";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "aarch64-linux"
        "x86_64-linux"
      ];
      eachSystem = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      nixosModules = {
        default = ./module.nix;
        agent = ./agent.nix;
      };
      lib = {
        mkAgent = import ./nix/mk-agent.nix;
        optionDocs = import ./nix/docs.nix { inherit (nixpkgs) lib; };
      };
      overlays.default = import ./nix/overlay.nix;
      packages = eachSystem (pkgs: import ./nix/packages.nix { inherit pkgs; });
      apps = eachSystem (pkgs: rec {
        default = demo;
        demo = import ./nix/demo.nix { inherit pkgs; };
      });
      devShells = eachSystem (pkgs: {
        default = import ./nix/devshell.nix { inherit pkgs; };
      });
      checks = eachSystem (pkgs: import ./nix/checks.nix { inherit pkgs self; });
    };
}
