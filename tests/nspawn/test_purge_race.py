"""Somebody alive swaps directories for links while they are deleted."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperhive.nspawn.purge_delete import Deletion
from tests.nspawn.purge_sentinel import Sentinel

pytestmark = pytest.mark.root
SWAPS, SECONDS = 10_000, 20.0

# Swaps a directory for a link to the sentinel and back, as fast as it can, wherever it went.
RACER = """
import ctypes, mmap, os, sys
top, target, counter = sys.argv[1:]
libc = ctypes.CDLL(None)
with open(counter, "r+b") as file:
    count = ctypes.c_uint64.from_buffer(mmap.mmap(file.fileno(), 8))
made = 0
while True:
    try:
        fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        continue
    try:
        for round in range(20):
            made += 1
            victim, link = "victim%d" % made, "link%d" % made
            os.mkdir(victim, dir_fd=fd)
            os.close(os.open(victim + "/one", os.O_CREAT, dir_fd=fd))
            os.symlink(target, link, dir_fd=fd)
            for swap in range(50):
                if libc.renameat2(fd, victim.encode(), fd, link.encode(), 2):  # RENAME_EXCHANGE
                    break
                count.value += 1
    except OSError:
        pass
    os.close(fd)
"""


class Race:
    """A trash, and a racer in what comes into it."""

    def __init__(self, tmp_path: Path) -> None:
        self.sentinel = Sentinel(tmp_path / "outside")
        self.trash = tmp_path / "trash"
        self.trash.mkdir(0o700)
        self._counter = tmp_path / "counter"
        self._counter.write_bytes(bytes(8))
        arguments = [str(self.trash / "alice.0"), str(self.sentinel.directory), str(self._counter)]
        self._racer = subprocess.Popen([sys.executable, "-I", "-c", RACER, *arguments])

    def swaps(self) -> int:
        return ctypes.c_uint64.from_buffer_copy(self._counter.read_bytes()).value

    def run(self, delete: Callable[[Path], None]) -> int:
        """Deletes until there were enough swaps, or the sentinel is hit; returns how many."""
        until = time.monotonic() + SECONDS
        while self.swaps() < SWAPS and time.monotonic() < until and self.sentinel.is_untouched():
            (self.trash / "alice.0").mkdir(exist_ok=True)
            self.let_it_swap()
            delete(self.trash)
        return self.swaps()

    def let_it_swap(self) -> None:
        """At least once, if it is in what is there."""
        before, until = self.swaps(), time.monotonic() + 0.05
        while self.swaps() == before and time.monotonic() < until:
            os.sched_yield()

    def end(self) -> None:
        self._racer.kill()
        self._racer.wait(10)


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    race = Race(tmp_path)
    try:
        yield race
    finally:
        race.end()


def by_descriptor(trash: Path) -> None:
    fd = os.open(trash, os.O_RDONLY | os.O_DIRECTORY)
    try:
        Deletion(fd, "alice.").run()
    finally:
        os.close(fd)


def test_ten_thousand_swaps_do_not_lead_it_outside(race: Race) -> None:
    assert race.run(by_descriptor) >= SWAPS
    race.end()
    race.sentinel.check()
    by_descriptor(race.trash)
    assert os.listdir(race.trash) == []
