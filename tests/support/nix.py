"""Evaluates Nix, where there is Nix, and with nixpkgs' library where that is to be found."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "tests" / "nix" / "stubs"
_CONFIG = "experimental-features = nix-command flakes\nsubstituters =\nsandbox = false\n"
_SECONDS = 120
_LIBRARIES = ("nixpkgs-lib/lib", "nixpkgs/lib")
"""On NIX_PATH: the library alone, or with all of nixpkgs."""


class NixError(Exception):
    """What Nix said on standard error."""


def run(*argv: str | Path) -> str:
    """Standard output. Raises NixError."""
    done = subprocess.run(
        [str(argument) for argument in argv],
        env={**os.environ, "NIX_CONFIG": _CONFIG},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise NixError(done.stderr)
    return done.stdout


def evaluate(expression: str) -> Any:
    """The value of an expression in which `lib` is nixpkgs' library. Raises NixError."""
    with_library = f"let lib = import {library()}; in {expression}"
    return json.loads(run("nix-instantiate", "--eval", "--strict", "--json", "-E", with_library))


def literal(value: object) -> str:
    """A Nix expression for plain data."""
    text = json.dumps(json.dumps(value)).replace("${", "\\${")
    return f"(builtins.fromJSON {text})"


@functools.cache
def library() -> Path | None:
    """The directory of nixpkgs' library, or None."""
    for name in _LIBRARIES:
        try:
            return Path(run("nix-instantiate", "--find-file", name).strip()).resolve()
        except NixError:
            continue
    return None


def missing() -> str | None:
    """Why no Nix can be run here, or None."""
    if not shutil.which("nix-instantiate"):
        return "no program nix-instantiate on PATH"
    try:
        run("nix-instantiate", "--eval", "-E", "1 + 1")
    except NixError as error:
        return f"nix-instantiate: {error}"
    return None


def missing_library() -> str | None:
    """Why nothing that needs nixpkgs' library can be evaluated here, or None."""
    if reason := missing():
        return reason
    return None if library() else "no <nixpkgs-lib> or <nixpkgs> on NIX_PATH"
