"""What nix/checks.nix hands to the driver of NixOS tests, evaluated as the driver would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.nix.agents import small_nixpkgs
from tests.support.nix import ROOT, STUBS, evaluate

FOLDER = ROOT / "nixos-tests"
NAMES = sorted(path.stem for path in FOLDER.glob("*.nix"))


def driven_tests(directory: Path, previous: str = "null") -> dict[str, Any]:
    """By file; see stubs/nixos_test.nix. The empty directory becomes what is taken for nixpkgs.

    `previous` is the release before, in Nix.
    """
    nixpkgs = small_nixpkgs(directory)
    found: dict[str, Any] = evaluate(f"""
      let
        whole = import {nixpkgs}/stubs/whole_nixpkgs.nix {{ inherit lib; }};
        driver = import {STUBS}/nixos_test.nix {{ inherit lib pkgs; }};
        pkgs = whole // {{ testers.runNixOSTest = driver; }};
        previous = {previous};
        checks = import {ROOT}/nix/checks.nix {{ inherit pkgs previous; self = {ROOT}/nix; }};
      in
      lib.filterAttrs (name: _: lib.hasPrefix "nixos-" name) checks
    """)
    return {name.removeprefix("nixos-"): test for name, test in found.items()}
