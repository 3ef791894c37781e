"""Power cuts: what was acknowledged is on the device, and what was settled stays settled."""

import random
import time
from pathlib import Path

import pytest

from hyperhive.store.failures import DatabaseRefused
from tests.store.acked import Acked, writing
from tests.store.filesystems import cut, make_ext4, mounted
from tests.support.wait import wait_until

pytestmark = pytest.mark.powercut

CUTS = 5


def write_until_a_cut(directory: Path, acked: Acked, synchronous: str) -> Path:
    """Let a child write to the image and cut at a random moment; returns what the device had."""
    copy = directory / "cut"
    with writing(directory / "disk" / "hive.db", acked, synchronous=synchronous) as writer:
        before = len(acked.sent)
        wait_until(lambda: len(acked.sent) > before + 20, 30.0, "the first acknowledged messages")
        time.sleep(random.uniform(0.0, 0.5))  # the moment is what is tried out
        # Dead before the copy is made, so that no page of it is newer than another.
        writer.kill()
        cut(directory / "image", copy)
    return copy


async def lost_after(copy: Path, acked: Acked) -> list[str]:
    """What is missing; a database that is refused for it misses something, too."""
    with mounted(copy, copy.with_name("after")) as disk:
        try:
            return await acked.lost(disk / "hive.db")
        except DatabaseRefused as refusal:
            return [refusal.message]


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    make_ext4(tmp_path / "image", 256 * 2**20)
    acked = Acked()
    with mounted(tmp_path / "image", tmp_path / "disk"):
        for _ in range(CUTS):
            copy = write_until_a_cut(tmp_path, acked, "FULL")
            assert await lost_after(copy, acked) == []
    assert len(acked.sent) > 20 * CUTS
    assert acked.settled
    assert acked.failures == []


async def test_the_harness_sees_a_loss_without_fsync_at_each_commit(tmp_path: Path) -> None:
    make_ext4(tmp_path / "image", 256 * 2**20)
    acked = Acked()
    with mounted(tmp_path / "image", tmp_path / "disk"):
        for _ in range(10 * CUTS):  # any `sync` on this machine saves a cut
            if await lost_after(write_until_a_cut(tmp_path, acked, "NORMAL"), acked):
                return
    pytest.fail("no acknowledged message was lost, though none was synced")
