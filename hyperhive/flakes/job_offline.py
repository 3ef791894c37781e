"""Finds what a build would fetch: Nix lets derivations whose result is known by hash reach out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from hyperhive.flakes import job_nix, job_verdict
from hyperhive.flakes.plain import plain
from hyperhive.flakes.process import Kept
from hyperhive.protocol.builds import MAX_LOG
from hyperhive.protocol.errors import BuildFailed

# Whatever Nix takes for a name: what is not found here is built without a look at it.
_PLANNED = re.compile(r"^ +(/nix/store/\S+\.drv)$", re.MULTILINE)
# The begin of a derivation's file: each output with its name, path, and kind and value of its hash.
_FIXED = re.compile(rb'\("[^"]*","[^"]*","[^"]+","[^"]+"\)')
_URL = re.compile(rb'\("urls?","([^"\\]{1,300})"\)')


async def lacking(nix: job_nix.Nix, drv: str) -> str | None:
    """Why it cannot be built offline; None when it can.

    Raises BuildFailed where Nix does not tell, OSError, and what `nix` raises.
    """
    plan = Kept(MAX_LOG, "the list of what is to be built")
    status = await nix(job_nix.plan(drv), plan, plan)
    said = plan.data.decode(errors="replace")
    if status != 0:
        why = job_verdict.last_lines(said) or f"it ended with status {status}"
        raise BuildFailed("daemon", f"Nix does not say what it would build: {why}")
    if wanted := fetches(planned(said)):
        return (
            f"{plain(wanted)} would have to be fetched, and builds are offline here: "
            "have it in the store of the host first, or set `nix.offline` to false"
        )
    return None


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
