# The host's flake where there is no nixpkgs: an agent's module is read with builtins alone, and its
# container boots the host's own programs. `agent/` and `host.json` are put beside this file for each
# evaluation, `machine.json` when the host is set up.
{
  description = "Agents of hyperhive on a host without nixpkgs";

  outputs =
    { self }:
    let
      read = path: builtins.fromJSON (builtins.readFile path);
      evaluated = import ./modules.nix {
        module = ./agent/agent.nix;
        declared = if builtins.pathExists ./agent/declared.json then read ./agent/declared.json else { };
      };
      parts = import ./bundle.nix {
        inherit (read ./host.json) name;
        inherit (read ./machine.json) system;
        inherit (evaluated) settings packages;
      };
    in
    {
      inherit (parts) bundle;
      proposal = {
        drvPath = builtins.unsafeDiscardStringContext parts.bundle.drvPath;
        inherit (evaluated) settings;
        system = builtins.unsafeDiscardStringContext parts.system.outPath;
      };
    };
}
