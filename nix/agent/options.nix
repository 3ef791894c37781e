# `hyperhive.*`: the settings of the agent. Most hold at its next turn, without a restart.
{ config, lib, ... }:
let
  settings = import ../setting-problems.nix { inherit lib; };
in
{
  options.hyperhive = import ../setting-options.nix { inherit lib; } { declared = false; } // {
    limits = import ../limit-options.nix { inherit lib; } {
      note = ''
        Counts where it is below what the host grants the agent, which is also what `null` stands for.'';
    };
  };

  config = {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (settings.problems "hyperhive" config.hyperhive);
    warnings = settings.warnings "hyperhive" config.hyperhive;
  };
}
