"""What a system consists of in place of another, for whoever decides whether it is built."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hyperhive.flakes import job_nix, job_offline
from hyperhive.flakes.process import Kept
from hyperhive.protocol.builds import MAX_PART, MAX_PARTS, STORE_PATTERN, Closure
from hyperhive.protocol.errors import HiveError, Unavailable
from hyperhive.protocol.schema import camel

SECONDS = 20.0
"""For all of it: an evaluation has nearly a minute left when its own time is over."""
_MAX_OUTPUT = 16 * 2**20
_AT_ONCE = 4_000
"""Paths, of at most 255 bytes, that surely are not too many for one command line."""

_PATH = re.compile(STORE_PATTERN)
_BEFORE_NAME = len("/nix/store/") + 32 + 1
_SECTION = re.compile(
    r"^(?:this|these) [a-z0-9 ]+ will be (?:built|fetched)(?: \( *(?P<number>[0-9.]+) "
    r"(?P<unit>[KMGT]?)i?B download,.*\))?:\n(?P<paths>(?: +/.*\n?)*)",
    re.MULTILINE,
)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class _Whole:
    """All that a path needs, itself too; `size` in bytes, as Nix has it on disk."""

    paths: tuple[str, ...]
    size: int


async def closure(
    nix: job_nix.Nix, drv: str, system: str, running: str | None
) -> dict[str, Any] | None:
    """A `Closure` as JSON: `system` in place of `running`. None where Nix does not tell.

    `drv` is what needs `system`. A `running` that is not there any more counts as none.
    """
    try:
        async with asyncio.timeout(SECONDS):
            found = await _closure(nix, drv, system, running)
    except (HiveError, OSError, ValueError):  # TimeoutError is an OSError
        return None
    return {camel(name): value for name, value in asdict(found).items()}


async def _closure(nix: job_nix.Nix, drv: str, system: str, running: str | None) -> Closure:
    after = await _whole(nix, system)
    before = after if running == system else await _whole(nix, running)
    size_before = before.size if before else None
    if after is None:
        said = await _plan(nix, drv, system)
        added, download = planned(said)
        return Closure(built=False, added=added, size_before=size_before, download=download)
    new, old = names(after.paths), names(before.paths if before else ())
    return Closure(
        built=True,
        added=listed(new - old),
        removed=listed(old - new),
        size_before=size_before,
        size_after=after.size,
    )


async def _whole(nix: job_nix.Nix, path: str | None) -> _Whole | None:
    """None where the store does not have it."""
    if path is None or (said := await _ask(nix, "--query", "--requisites", path)) is None:
        return None
    paths, size = tuple(said.split()), 0
    for at in range(0, len(paths), _AT_ONCE):
        sizes = await _ask(nix, "--query", "--size", *paths[at : at + _AT_ONCE])
        if sizes is None:
            raise Unavailable("it was collected as garbage meanwhile")
        size += sum(map(int, sizes.split()))
    return _Whole(paths, size)


async def _plan(nix: job_nix.Nix, drv: str, system: str) -> str:
    """What Nix would do for the system alone, and for `drv` where it would fetch the system."""
    said = await _dry_run(nix, drv)
    for path in job_offline.planned(said):
        if makes(Path(path).read_bytes(), system):
            return await _dry_run(nix, path)
    if system not in said.split():
        raise Unavailable("the system is neither there nor planned")
    return said


async def _dry_run(nix: job_nix.Nix, drv: str) -> str:
    said = Kept(_MAX_OUTPUT)
    if await nix(job_nix.plan(drv), said, said) != 0:
        raise Unavailable("Nix does not say what it would build")
    return said.data.decode()


async def _ask(nix: job_nix.Nix, *arguments: str) -> str | None:
    """What it answers; None where it fails."""
    output, errors = Kept(_MAX_OUTPUT), Kept(_MAX_OUTPUT)
    status = await nix(["nix-store", *arguments], output, errors)
    return output.data.decode() if status == 0 else None


def makes(derivation: bytes, path: str) -> bool:
    """Whether that is one of its outputs, which its file begins with."""
    return f'","{path}","'.encode() in derivation[: derivation.find(b"]")]


def planned(said: str) -> tuple[tuple[str, ...], int | None]:
    """Names of what `nix-store --realise --dry-run` would build or fetch, and bytes to download."""
    found: set[str] = set()
    download = None
    for section in _SECTION.finditer(said):
        found |= names(section["paths"].split())
        if section["number"]:
            download = round(float(section["number"]) * _UNITS[section["unit"]])
    return listed(found), download


def names(paths: Sequence[str]) -> set[str]:
    """Name and version of each: `git-2.44.0`. Raises ValueError for what is no path of a store."""
    return set(_names(paths))


def _names(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ValueError(path)
        yield path[_BEFORE_NAME:].removesuffix(".drv")


def listed(found: set[str]) -> tuple[str, ...]:
    """In order, and as many as are told, with the number of the others."""
    shown = [name if len(name) <= MAX_PART else f"{name[: MAX_PART - 1]}…" for name in found]
    begin, rest = sorted(shown)[:MAX_PARTS], len(shown) - MAX_PARTS
    return (*begin, f"… and {rest} more") if rest > 0 else tuple(begin)
