# lib.mkAgent: the bundle that an agent is started from, a directory with `agent.json` and `system`.
# Nothing of the host goes into it but its nixpkgs.
{
  # A flake or a path.
  nixpkgs,
  name,
  # NixOS modules, of which the agent's own is one.
  modules ? [ ],
  system ? "x86_64-linux",
  # Settings that hold where no module sets them: of the declaration on the host.
  declared ? { },
}:
let
  evaluated = import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = null;
    modules = [
      ../agent.nix
      (
        { lib, ... }:
        {
          nixpkgs.hostPlatform = system;
          networking.hostName = name;
          hyperhive = lib.mapAttrsRecursive (_: lib.mkDefault) declared;
        }
      )
    ]
    ++ modules;
  };
in
evaluated.config.system.build.hyperhiveBundle
