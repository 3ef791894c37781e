# The flake that agents are built with: nixpkgs and hyperhive as the host itself has them, pinned by
# path and hash, so that nothing is looked up. The service adds `agent/` and `host.json` beside it.
{ pkgs, nixpkgs }:
let
  inherit (pkgs) lib;

  # A store path as it is: interpolation would copy a path value to the store once more.
  source =
    path:
    let
      text = toString path;
    in
    if !builtins.isPath path && builtins.hasContext "${path}" then
      "${path}"
    else if builtins.match "${builtins.storeDir}/[^/]+" text != null then
      builtins.appendContext text { ${text}.path = true; }
    else
      "${path}";

  sources = {
    nixpkgs = source nixpkgs;
    # What agents are made of, and nothing else: other changes make no agent out of date.
    hyperhive = "${import ./source.nix { inherit lib; } [
      "LICENSE"
      "agent.nix"
      "hyperhive/__init__.py"
      "hyperhive/harness"
      "hyperhive/protocol"
      "nix"
      "pyproject.toml"
    ]}";
  };

  flake = ''
    {
      inputs.nixpkgs = {
        url = "path:${sources.nixpkgs}";
        flake = false;
      };
      inputs.hyperhive = {
        url = "path:${sources.hyperhive}";
        flake = false;
      };
      outputs =
        inputs:
        import (inputs.hyperhive + "/nix/proposal.nix") {
          inherit (inputs) nixpkgs self;
          system = "${pkgs.stdenv.hostPlatform.system}";
        };
    }
  '';
in
pkgs.runCommand "hyperhive-flake"
  {
    inherit flake;
    inherit (sources) nixpkgs hyperhive;
    passAsFile = [ "flake" ];
    nativeBuildInputs = [ pkgs.nix ];
    preferLocalBuild = true;
  }
  ''
    export HOME=$TMPDIR NIX_STATE_DIR=$TMPDIR/state
    mkdir $out
    cp "$flakePath" $out/flake.nix
    pin() {
      printf '"%s":{"flake":false,"locked":{"type":"path","path":"%s","narHash":"%s"},"original":{"type":"path","path":"%s"}},' \
        "$1" "$2" "$(nix --extra-experimental-features nix-command hash path "$2")" "$2"
    }
    {
      printf '{"version":7,"root":"root","nodes":{'
      pin hyperhive "$hyperhive"
      pin nixpkgs "$nixpkgs"
      printf '"root":{"inputs":{"hyperhive":"hyperhive","nixpkgs":"nixpkgs"}}}}\n'
    } >$out/flake.lock
  ''
