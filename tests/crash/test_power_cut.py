"""A service whose disk is cut off without a sync keeps what it acknowledged.

The disk is an ext4 image on a loop device; the cut is a copy of the image file, made without a
sync while the service writes. What is not in the file then would not be on a disk either.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.traffic import Traffic
from tests.support.real_service import IDLE_AGENTS, Swarm, short_directory
from tests.support.wait import wait_for

pytestmark = [pytest.mark.crash, pytest.mark.powercut, pytest.mark.root]

SENDERS = ("s0", "s1", "s2", "s3")
RECEIVERS = ("r0", "r1")
CUTS = 5
MESSAGES_BEFORE_A_CUT = 300


def run(*argv: str | Path) -> None:
    subprocess.run(list(argv), check=True, capture_output=True)


@contextlib.contextmanager
def mounted(image: Path, where: Path) -> Iterator[Path]:
    where.mkdir(exist_ok=True)
    run("mount", "-o", "loop", image, where)
    try:
        yield where
    finally:
        run("umount", where)


@pytest.fixture
def root() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
def disk(root: Path) -> Iterator[Path]:
    image = root / "disk.img"
    with image.open("wb") as file:
        file.truncate(256 * 2**20)
    run("mkfs.ext4", "-q", "-F", image)
    with mounted(image, root / "disk") as where:
        yield where


@pytest.fixture
def swarm(root: Path, disk: Path) -> Iterator[Swarm]:
    swarm = Swarm(root, ("manager", *SENDERS, *RECEIVERS), IDLE_AGENTS, state=disk / "service")
    swarm.prepare(auto_start=True)
    yield swarm
    swarm.end()


async def cut(swarm: Swarm, root: Path) -> set[str]:
    """Write for a while, cut, and return what was acknowledged before the cut but is not there."""
    sockets = {name: swarm.socket(name) for name in swarm.agents}
    traffic = Traffic(
        {name: sockets[name] for name in SENDERS}, {name: sockets[name] for name in RECEIVERS}
    )
    copy = root / "cut.img"
    swarm.start()
    await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
    traffic.begin()
    try:
        enough = MESSAGES_BEFORE_A_CUT
        await wait_for(lambda: traffic.count() >= enough, 30, "accepted messages")
        accepted = set(traffic.ledger.accepted)
        await asyncio.to_thread(run, "cp", "--sparse=always", root / "disk.img", copy)
        traffic.fault()
        await asyncio.to_thread(swarm.kill)
    finally:
        await traffic.end()
    return await asyncio.to_thread(lost, copy, root / "after", accepted)


def lost(copy: Path, where: Path, accepted: set[str]) -> set[str]:
    """What a database recovered from the copy does not have."""
    with mounted(copy, where):
        found = where / "service" / "hive.db"
        with contextlib.closing(sqlite3.connect(found)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            bodies = {row[0] for row in connection.execute("SELECT body FROM messages")}
    return accepted - bodies


def begin_anew(swarm: Swarm) -> None:
    """Bodies of one run must not stand in for those of the next."""
    assert swarm.state is not None
    shutil.rmtree(swarm.state, ignore_errors=True)


async def test_a_power_cut_loses_nothing_acknowledged(swarm: Swarm, root: Path) -> None:
    for _ in range(CUTS):
        begin_anew(swarm)
        assert await cut(swarm, root) == set()


async def test_synchronous_normal_is_found_out(swarm: Swarm, root: Path) -> None:
    """The same harness must go red when the disk is not waited for."""
    swarm.program = (str(Path(__file__).parent / "not_synchronous.py"),)
    for _ in range(CUTS):
        begin_anew(swarm)
        if await cut(swarm, root):
            return
    pytest.fail("nothing was lost, so the harness would not notice a loss either")
