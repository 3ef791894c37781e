# What the agent is started from. Its settings are a derivation of their own, so that a commit which
# changes nothing else builds nothing of the system, and restarts nothing.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  settings = config.hyperhive;
  agentJson = pkgs.writeText "agent.json" (builtins.toJSON settings + "\n");
  system = config.system.build.toplevel;
in
{
  # A regular file: the launcher follows no links there.
  system.build.hyperhiveBundle =
    pkgs.runCommand "hyperhive-agent-${config.networking.hostName}"
      {
        preferLocalBuild = true;
        passthru = { inherit settings system; };
      }
      ''
        mkdir $out
        cp ${agentJson} $out/agent.json
        ln -s ${system} $out/system
      '';
}
