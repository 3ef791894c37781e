# `nix run`: a working swarm with a scripted model, thrown away at its end.
{ pkgs }:
let
  # An instance of its own, since Claude Code is unfree: allowed for the demo and nothing else.
  allowing = import pkgs.path {
    inherit (pkgs.stdenv.hostPlatform) system;
    config.allowUnfreePredicate = package: pkgs.lib.getName package == "claude-code";
  };
  hyperhive = pkgs.callPackage ./package.nix { };
  path = pkgs.lib.makeBinPath [
    allowing.claude-code
    pkgs.bash
    pkgs.git
  ];
in
{
  type = "app";
  program = "${pkgs.writeShellScript "hyperhive-demo" ''
    PATH=${path}:$PATH exec ${pkgs.lib.getExe hyperhive} demo "$@"
  ''}";
  meta.description = "A working swarm with a scripted model";
}
