# The container's side: `protocol/` and `harness/` alone, so that nothing of the host's can be
# imported there.
{ lib, python3 }:
let
  pythonPackages = python3.pkgs;
in
pythonPackages.buildPythonApplication {
  pname = "hyperhive-harness";
  version = import ./version.nix { inherit lib; };
  pyproject = true;
  build-system = [ pythonPackages.setuptools ];

  src = import ./source.nix { inherit lib; } [
    "LICENSE"
    "hyperhive/__init__.py"
    "hyperhive/harness"
    "hyperhive/protocol"
    "pyproject.toml"
  ];
  # The command line of the host is not there.
  postPatch = ''
    sed --in-place '/^hyperhive = /d' pyproject.toml
  '';
  pythonRemoveDeps = [
    "aiohttp-jinja2"
    "aiosqlite"
    "pyyaml"
  ];

  dependencies = with pythonPackages; [
    aiohttp
    claude-agent-sdk
    click
    mcp
    websockets
  ];

  pythonImportsCheck = [ "hyperhive.harness.run" ];

  meta = {
    description = "What runs between Claude Code and the host in an agent's container";
    license = lib.licenses.mit;
    mainProgram = "hyperhive-harness";
    platforms = lib.platforms.linux;
  };
}
