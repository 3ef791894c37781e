"""The reserve: really allocated, given up once, taken again when there is space."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from hyperhive.store import reserve as module
from hyperhive.store.reserve import Reserve

SIZE = 2**20


@pytest.fixture
def reserve(path: Path) -> Reserve:
    return Reserve(path, SIZE)


@pytest.fixture
def file(path: Path) -> Path:
    return path.with_name("hive.db.reserve")


class Disk:
    """How much space `shutil.disk_usage` reports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 2**40
        monkeypatch.setattr(shutil, "disk_usage", lambda _: self)


def test_its_space_is_allocated_and_not_only_promised(reserve: Reserve, file: Path) -> None:
    reserve.take()
    assert not reserve.full
    assert file.stat().st_blocks * 512 >= SIZE
    reserve.release()
    assert reserve.full
    assert not file.exists()


def test_a_reserve_with_holes_is_made_good(reserve: Reserve, file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(SIZE)
    reserve.take()
    assert file.stat().st_blocks * 512 >= SIZE


def test_it_is_taken_again_only_when_more_than_it_is_free(
    reserve: Reserve, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    monkeypatch.setattr(module, "RETRY_AFTER", 0.0)
    reserve.release()
    disk.free = SIZE
    reserve.take_again()
    assert reserve.full
    assert not file.exists()
    disk.free = 2 * SIZE
    reserve.take_again()
    assert not reserve.full
    assert file.exists()


def test_attempts_are_not_made_all_the_time(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.free = 0
    reserve.take()
    assert reserve.full
    disk.free = 2**40
    reserve.take_again()
    assert reserve.full, "the last attempt was just now"


def test_running_out_while_allocating_leaves_nothing_behind(
    reserve: Reserve, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fails)
    reserve.take()
    assert reserve.full
    assert not file.exists()


def test_a_filesystem_that_cannot_allocate_goes_without(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", fails)
    reserve.take()
    assert not reserve.full
    assert "no reserve for a full disk" in caplog.text


def test_it_makes_room_for_opening_on_a_disk_that_is_full(
    reserve: Reserve, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.take()
    reserve.release_if_tight()
    assert file.exists()
    Disk(monkeypatch).free = 0
    reserve.release_if_tight()
    assert not file.exists()
