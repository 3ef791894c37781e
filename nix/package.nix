# The host's side: service, command line, launcher.
{
  lib,
  callPackage,
  glib,
  gobject-introspection,
  python3,
  version ? import ./version.nix { inherit lib; },
}:
let
  pythonPackages = python3.pkgs;
  # As of its first declaration: the library that interpreters for units are made with.
  hyperhive = pythonPackages.buildPythonPackage {
    pname = "hyperhive";
    inherit version;
    pyproject = true;
    build-system = [ pythonPackages.setuptools ];

    src = import ./source.nix { inherit lib; } [
      "LICENSE"
      "hyperhive"
      "pyproject.toml"
    ];
    postPatch = ''
      rm --recursive --force hyperhive/dashboard/static/vendor
      cp --recursive ${callPackage ./front-end.nix { }} hyperhive/dashboard/static/vendor
      chmod --recursive u+w hyperhive/dashboard/static/vendor
    '';

    dependencies = with pythonPackages; [
      aiohttp
      aiohttp-jinja2
      aiosqlite
      claude-agent-sdk
      click
      mcp
      pydbus
      pygobject3
      pyyaml
      websockets
    ];

    pythonImportsCheck = [
      "hyperhive.cli"
      "hyperhive.nspawn.launcher"
    ];

    passthru = {
      # An interpreter that finds the package, for units that run its modules by name.
      python = python3.withPackages (_: [ hyperhive ]);
      # Where PyGObject finds what it knows of GLib.
      typelibs = lib.makeSearchPathOutput "out" "lib/girepository-1.0" [
        glib
        gobject-introspection
      ];
    };

    meta = {
      description = "Swarm of Claude Code agents, each in its own container, run by an operator";
      license = lib.licenses.mit;
      mainProgram = "hyperhive";
      platforms = lib.platforms.linux;
    };
  };
in
hyperhive
