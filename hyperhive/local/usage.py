"""What an agent's processes and files take, as /proc (proc(5)) and its directories say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hyperhive.hive.ports import Usage
from hyperhive.local.directories import Place
from hyperhive.local.processes import Process, every_process

MAX_ENTRIES = 20_000
"""Files beyond which the space they take is not counted: it would take longer than it is worth."""
MAX_DEPTH = 100
"""Directories within each other, each of which is held open."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def measure(place: Place, select: Callable[[Process], bool]) -> Usage:
    """Of the processes that `select` picks; memory they share is counted for each."""
    memory = tasks = ticks = 0
    for process in every_process():
        if select(process) and (found := _figures(process.pid)):
            memory, tasks, ticks = memory + found[0], tasks + found[1], ticks + found[2]
    return Usage(
        memory * _PAGE, ticks / _TICKS, tasks, _disk((place.state, place.home, place.workspace))
    )


def _figures(pid: int) -> tuple[int, int, int] | None:
    """Resident pages, threads, and ticks of CPU time, those of children it waited for included."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return int(fields[21]), int(fields[17]), sum(map(int, fields[11:15]))


def _disk(directories: tuple[Path, ...]) -> int | None:
    """Bytes that the trees take; None when they are too large or cannot be read."""
    counter = _Counter()
    try:
        for directory in directories:
            fd = os.open(directory, _DIRECTORY)
            try:
                counter.add(fd, 0)
            finally:
                os.close(fd)
    except (OSError, OverflowError):
        return None
    return counter.blocks * 512


class _Counter:
    """Follows no link and crosses into no other file system."""

    def __init__(self) -> None:
        self.blocks = 0
        self._entries = 0

    def add(self, fd: int, depth: int) -> None:
        """Raises OverflowError when there is too much to count."""
        device = os.fstat(fd).st_dev
        with os.scandir(fd) as entries:
            for entry in entries:
                self._entries += 1
                if self._entries > MAX_ENTRIES or depth > MAX_DEPTH:
                    raise OverflowError
                self._add_entry(fd, device, entry, depth)

    def _add_entry(self, fd: int, device: int, entry: os.DirEntry[str], depth: int) -> None:
        try:
            found = entry.stat(follow_symlinks=False)
            self.blocks += found.st_blocks
            if not entry.is_dir(follow_symlinks=False) or found.st_dev != device:
                return
            inner = os.open(entry.name, _DIRECTORY, dir_fd=fd)
        except FileNotFoundError:
            return  # it went meanwhile
        try:
            self.add(inner, depth + 1)
        finally:
            os.close(inner)
