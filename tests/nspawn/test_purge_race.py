"""Somebody alive swaps directories for links while they are deleted.

Before each step of the deletion the swapping has its turn, so that what was looked at is another
thing when it is used. That this catches who deletes by path is shown first.
"""

import contextlib
import ctypes
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from hyperhive.nspawn.purge_delete import Deletion
from tests.nspawn.purge_sentinel import Sentinel

pytestmark = pytest.mark.root
SWAPS, STEPS, SECONDS = 10_000, 500, 90.0
"""Swaps in all, and steps of the deletion with one right before them; naive ones fell in 118.
The steps are four times what it ever took."""
TURN_SECONDS = 0.005
"""What a step waits for a swap: none comes while there is nothing to swap."""
CALLS = {"listdir", "open", "remove", "rename", "rmdir", "scandir", "unlink"}

# Swaps a directory for a link to the sentinel and back, as fast as it can, until one of the two is
# gone; then the next ones, in the same directory wherever that went.
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
            while not libc.renameat2(fd, victim.encode(), fd, link.encode(), 2):  # RENAME_EXCHANGE
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
        self.steps = 0
        self._counter = tmp_path / "counter"
        self._counter.write_bytes(bytes(8))
        arguments = [str(self.trash / "alice.0"), str(self.sentinel.directory), str(self._counter)]
        self._racer = subprocess.Popen([sys.executable, "-I", "-c", RACER, *arguments])

    def swaps(self) -> int:
        return ctypes.c_uint64.from_buffer_copy(self._counter.read_bytes()).value

    def run(self, delete: Callable[[Path], None]) -> None:
        """Deletes until there was enough to trip over, or the sentinel is hit."""
        until = time.monotonic() + SECONDS
        while self._goes_on() and time.monotonic() < until:
            (self.trash / "alice.0").mkdir(exist_ok=True)
            self._let_it_swap()
            sys.setprofile(self._before_call)
            try:
                delete(self.trash)
            finally:
                sys.setprofile(None)

    def _goes_on(self) -> bool:
        enough = self.swaps() >= SWAPS and self.steps >= STEPS
        return not enough and self.sentinel.is_untouched()

    def _before_call(self, frame: FrameType, event: str, function: object) -> None:
        """Of sys.setprofile: the call is made when this returns."""
        if event == "c_call" and getattr(function, "__module__", "") == "posix":
            self.steps += getattr(function, "__name__", "") in CALLS and self._let_it_swap()

    def _let_it_swap(self) -> bool:
        before, until = self.swaps(), time.monotonic() + TURN_SECONDS
        while not (swapped := self.swaps() > before) and time.monotonic() < until:
            os.sched_yield()
        return swapped

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


def by_path(directory: Path) -> None:
    """Looks at each thing right before it uses it, and follows no link that it sees."""
    for name in os.listdir(directory):
        path = directory / name
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                by_path(path)
                os.rmdir(path)
            else:
                os.unlink(path)


def by_walk(trash: Path) -> None:
    for directory, directories, files in os.walk(trash, topdown=False):
        for name in (*files, *directories):
            with contextlib.suppress(OSError):
                path = os.path.join(directory, name)
                (os.rmdir if name in directories else os.unlink)(path)


@pytest.mark.parametrize("naive", [by_path, by_walk])
def test_who_deletes_by_path_is_led_outside(race: Race, naive: Callable[[Path], None]) -> None:
    race.run(naive)
    assert not race.sentinel.is_untouched()


def test_ten_thousand_swaps_do_not_lead_it_outside(race: Race) -> None:
    race.run(by_descriptor)
    race.end()
    race.sentinel.check()
    assert race.swaps() >= SWAPS
    assert race.steps >= STEPS
    by_descriptor(race.trash)
    assert os.listdir(race.trash) == []
