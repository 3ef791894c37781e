# `hyperhive.*`: the settings of the agent. Most hold at its next turn, without a restart.
{ config, lib, ... }:
let
  # Of agent.json, which the launcher reads as root.
  maxBytes = 65536;
  size = builtins.stringLength (builtins.toJSON config.hyperhive) + 1;

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
    }) (
      settings.problems "hyperhive" config.hyperhive
      ++ lib.optional (size > maxBytes)
        "hyperhive: the settings have ${toString size} bytes as JSON, at most ${toString maxBytes} are possible; put some of hyperhive.prompt into a file of the workspace"
    );
    warnings = settings.warnings "hyperhive" config.hyperhive;
  };
}
