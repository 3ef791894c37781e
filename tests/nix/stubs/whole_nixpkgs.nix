# flake.nix and default.nix of a nixpkgs in which every package that is asked for is an empty one, so
# that each output of our flake can be evaluated to its derivation.
{ lib }:
let
  base = import ./pkgs.nix { inherit lib; };
  package = name: base.runCommand name { } "mkdir $out" // { dependencies = [ ]; };

  # What a builder gets becomes part of a derivation, so that all of it is evaluated.
  built =
    args:
    base.runCommand "${args.pname}-${args.version}" {
      given = builtins.toJSON (
        removeAttrs args [
          "meta"
          "passthru"
        ]
      );
    } "mkdir $out"
    // args.passthru or { }
    // {
      inherit (args) meta;
      dependencies = args.dependencies;
    };

  python3 = package "python3" // {
    pkgs =
      lib.genAttrs [
        "aiohttp"
        "aiohttp-jinja2"
        "aiosqlite"
        "claude-agent-sdk"
        "click"
        "import-linter"
        "mcp"
        "mypy"
        "playwright"
        "pydbus"
        "pygobject3"
        "pytest"
        "pytest-aiohttp"
        "pytest-asyncio"
        "pyyaml"
        "ruff"
        "setuptools"
        "types-pyyaml"
        "websockets"
      ] package
      // {
        buildPythonPackage = built;
        buildPythonApplication = built;
      };
    withPackages =
      choose:
      base.runCommand "python3-env" {
        chosen = builtins.toJSON (choose python3.pkgs);
      } "mkdir $out";
  };

  pkgs =
    base
    // lib.genAttrs [
      "bash"
      "cacert"
      "chromium"
      "glib"
      "gobject-introspection"
      "nixfmt"
      "nodejs"
    ] package
    // {
      inherit python3;
      path = ./..;
      callPackage =
        file: args:
        let
          make = import file;
        in
        make (builtins.intersectAttrs (lib.functionArgs make) pkgs // args);
      mkShell =
        args: base.runCommand "shell" { packages = builtins.toJSON args.packages; } "mkdir $out";
      writeShellScript = base.writeText;
      testers.runNixOSTest = test: package "nixos-test-${toString (map baseNameOf test.imports)}";
    };
in
pkgs
