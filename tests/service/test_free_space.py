"""The free share of real file systems."""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.protocol.errors import Unavailable
from hyperhive.service import free_space
from hyperhive.service.free_space import FreeSpace, free_fraction
from tests.store.filesystems import filled, make_ext4, mounted
from tests.support.wait import wait_for


def test_a_directory_to_be_made_counts_as_its_place(tmp_path: Path) -> None:
    found = free_fraction(tmp_path / "not" / "there")
    assert 0 <= found <= 1
    assert found == pytest.approx(free_fraction(tmp_path), abs=0.05)


@pytest.mark.powercut
async def test_the_fullest_file_system_counts(tmp_path: Path) -> None:
    make_ext4(tmp_path / "image", 16 * 2**20)
    with mounted(tmp_path / "image", tmp_path / "disk") as disk:
        measure = FreeSpace((tmp_path, disk))
        assert await measure() > 0.05
        with filled(disk):
            assert await measure() < 0.01
        assert await measure() > 0.05


@pytest.mark.powercut
def test_inodes_count_too(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, 16 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "64", image], check=True)
    with mounted(image, tmp_path / "disk") as disk:
        assert free_fraction(disk) > 0.5
        while free_fraction(disk) > 0.05:
            (disk / f"file-{os.urandom(8).hex()}").touch()
        assert os.statvfs(disk).f_bavail / os.statvfs(disk).f_blocks > 0.5


async def test_a_disk_that_hangs_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_space, "LIMIT_SECONDS", 0.05)
    answer, asked = threading.Event(), 0

    def hang(path: Path) -> float:
        nonlocal asked
        asked += 1
        answer.wait(30)
        return 0.25

    monkeypatch.setattr(free_space, "free_fraction", hang)
    measure = FreeSpace((Path("/"),))
    for _ in range(3):
        with pytest.raises(Unavailable, match="did not answer"):
            await measure()
    assert asked == 1
    answer.set()

    async def answers() -> bool:
        return await measure() == 0.25

    await wait_for(_quietly(answers))


def _quietly(act: Callable[[], object]) -> Callable[[], object]:
    async def attempt() -> bool:
        try:
            return bool(await act())  # type: ignore[misc]  # a coroutine
        except Unavailable:
            return False

    return attempt


async def test_what_the_disk_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> float:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(free_space, "free_fraction", fail)
    with pytest.raises(Unavailable, match="/x: Input/output error"):
        await FreeSpace((Path("/x"),))()
