"""Finds what a build would fetch: Nix lets derivations whose result is known by hash reach out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# Whatever Nix takes for a name: what is not found here is built without a look at it.
_PLANNED = re.compile(r"^ +(/nix/store/\S+\.drv)$", re.MULTILINE)
# The begin of a derivation's file: each output with its name, path, and kind and value of its hash.
_FIXED = re.compile(rb'\("[^"]*","[^"]*","[^"]+","[^"]+"\)')
_URL = re.compile(rb'\("urls?","([^"\\]{1,300})"\)')


def planned(said: str) -> list[str]:
    """The derivations that `nix-store --realise --dry-run` lists."""
    return [match[1] for match in _PLANNED.finditer(said)]


def fetches(derivations: Iterable[str]) -> str | None:
    """What the first of them that fetches is after; None when none does. Raises OSError."""
    for path in derivations:
        content = Path(path).read_bytes()
        outputs = content[: content.find(b"]")]
        if _FIXED.search(outputs):
            url = _URL.search(content)
            return url[1].decode(errors="replace") if url else path
    return None
