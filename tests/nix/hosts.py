"""Configurations of a host, evaluated with module.nix."""

from __future__ import annotations

from typing import Any

from tests.support.nix import STUBS, evaluate, literal

MINIMAL = {
    "enable": True,
    "credentialFile": "/run/secrets/anthropic",
    "models": {"sonnet": {"id": "claude-sonnet-5-5"}},
}
_PACKAGE = 'pkgs.git // { python = "/python"; typelibs = "/typelibs"; }'
"""Something with a program, since the real one needs all of nixpkgs."""


def module(options: dict[str, Any], more: str = "{ }") -> str:
    """Those options besides the minimal ones, None for without; `more` is a module in Nix."""
    given = literal({k: v for k, v in {**MINIMAL, **options}.items() if v is not None})
    package = f"{{ pkgs, ... }}: {{ services.hyperhive.package = lib.mkDefault ({_PACKAGE}); }}"
    return f"[ {{ services.hyperhive = {given}; }} ({package}) ({more}) ]"


def host(options: dict[str, Any], wanted: str = "", more: str = "{ }") -> Any:
    """What becomes of them: what `stubs/evaluate_host.nix` calls `wanted`, or all."""
    evaluated = (
        f"import {STUBS}/evaluate_host.nix {{ inherit lib; modules = {module(options, more)}; }}"
    )
    if wanted:
        return evaluate(f"({evaluated}).{wanted}")
    return evaluate(f'removeAttrs ({evaluated}) [ "evaluated" "prebuilt" ]')


def problems_of(options: dict[str, Any], more: str = "{ }") -> list[str]:
    found: list[str] = host(options, "problems", more)
    return found
