# The version as the Python package has it.
{ lib }:
let
  line = lib.findFirst (lib.hasPrefix "__version__") (throw "hyperhive/__init__.py has no __version__") (
    lib.splitString "\n" (lib.readFile ../hyperhive/__init__.py)
  );
in
lib.head (builtins.match "__version__ = \"([^\"]+)\"" line)
