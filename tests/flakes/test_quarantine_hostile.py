"""Hostile packs: refused with a reason, or harmless; nothing else changes, and it takes little."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from hyperhive.flakes.quarantine import Quarantine
from tests.flakes import hostile_packs
from tests.flakes.conftest import Work
from tests.flakes.forge import NIX, Forge
from tests.flakes.hostile_repositories import CASES, Case
from tests.flakes.receiving import received
from tests.support.wait import let_time_pass

SECONDS = 20.0
DISK = 128 * 2**20
MEMORY = 128 * 2**20


def contents(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def size(directory: Path) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_blocks * 512
    return total


async def highest(directory: Path) -> int:
    """The most that was on disk, until cancelled."""
    most = 0
    try:
        while True:
            most = max(most, size(directory))
            await let_time_pass(0.02)
    except asyncio.CancelledError:
        return most


async def prepared(work: Work) -> tuple[Forge, Quarantine]:
    base = await work.commit({"agent.nix": b"{ base = 1; }", "old.nix": b"old"})
    await work.repositories.advance("alice", None, base)
    return Forge(base), Quarantine(work.repositories)


def test_the_cases_are_many() -> None:
    assert hostile_packs.__name__
    assert len({case.name for case in CASES}) == len(CASES) > 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_hostile(work: Work, tmp_path: Path, case: Case) -> None:
    forge, quarantine = await prepared(work)
    offer = case.build(forge)
    before, beside = contents(work.directory), set(os.listdir(tmp_path))
    watched = asyncio.create_task(highest(work.directory))
    found = await received(work.directory, offer)
    watched.cancel()
    assert found.seconds < SECONDS
    assert await watched < size(work.directory) + DISK
    assert found.peak <= MEMORY
    after = contents(work.directory)
    assert {name: data for name, data in after.items() if name.startswith("alice.git/")} == before
    if case.refused:
        assert re.search(case.refused, found.problem), found.problem
        assert after == before
        assert os.listdir(work.directory) == ["alice.git"]
        assert not await quarantine.has("alice", offer.commit)
    else:
        assert found.problem == ""
        tree = await quarantine.pin("alice", "proposal/1", offer.commit)
        await work.repositories.export("alice", offer.commit, tmp_path / "out")
        assert (tmp_path / "out/agent.nix").read_bytes() in (NIX, b"{ a = 1; }")
        assert tree == await work.repositories.tree("alice", offer.commit)
        assert os.listdir(work.directory) == ["alice.git"]
        work.git("alice", "fsck", "--full")
    assert set(os.listdir(tmp_path)) - {"out"} == beside
    assert await work.repositories.head("alice") == forge.base
