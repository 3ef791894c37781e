# Outputs of the host's flake, beside which the service puts an agent's configuration: `agent/` is the
# tree of the commit, `host.json` says whose it is.
{
  nixpkgs,
  self,
  system,
}:
let
  inherit (builtins)
    fromJSON
    pathExists
    readFile
    unsafeDiscardStringContext
    ;

  declared = self + "/agent/declared.json";
  module = self + "/agent/agent.nix";

  bundle = import ./mk-agent.nix {
    inherit nixpkgs system;
    inherit (fromJSON (readFile (self + "/host.json"))) name;
    modules = if pathExists module then [ module ] else throw "the commit has no agent.nix";
    declared = if pathExists declared then fromJSON (readFile declared) else { };
  };
in
{
  # For people: `nix build .#bundle`.
  inherit bundle;

  # For the service, which evaluates this and then realises exactly that derivation.
  proposal = {
    drvPath = unsafeDiscardStringContext bundle.drvPath;
    inherit (bundle) settings;
    system = unsafeDiscardStringContext "${bundle.system}";
  };
}
