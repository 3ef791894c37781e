"""Agents, built from agent.nix with a nixpkgs that is its library and stubs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.support.nix import ROOT, STUBS, evaluate, library, literal


def small_nixpkgs(directory: Path) -> Path:
    """A directory that `mkAgent` takes for nixpkgs; its NixOS has stubs for options."""
    found = library()
    assert found
    shutil.copytree(found, directory / "lib")
    shutil.copytree(STUBS, directory / "stubs")
    (directory / "nixos/lib").mkdir(parents=True)
    shutil.copy(STUBS / "eval_config.nix", directory / "nixos/lib/eval-config.nix")
    return directory


def agent(nixpkgs: Path, wanted: str, module: str = "{ }", declared: object = None) -> Any:
    """`wanted` of the bundle of an agent with that module, in Nix."""
    bundle = (
        f"import {ROOT}/nix/mk-agent.nix {{ nixpkgs = {nixpkgs}; name = {literal('alice')};"
        f" modules = [ ({module}) ]; declared = {literal(declared or {})}; }}"
    )
    return evaluate(f"({bundle}).{wanted}")
