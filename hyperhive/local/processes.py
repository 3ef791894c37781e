"""Finds and ends processes by what /proc says about them (proc(5))."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is in clock ticks since boot: with it a pid names one process for good."""

    pid: int
    uid: int
    session: int
    started: int
    environment: dict[str, str]


def every_process() -> Iterator[Process]:
    """All processes whose environment we may read; others are of no concern here."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (process := look_up(int(entry.name))):
            yield process


def look_up(pid: int) -> Process | None:
    """The process with this pid, or None when it is gone, a zombie, or not ours to read."""
    directory = _PROC / str(pid)
    try:
        uid = directory.stat().st_uid
        stat = (directory / "stat").read_text(errors="replace")
        environment = (directory / "environ").read_bytes()
    except OSError:
        return None
    # The second field is the command in parentheses and may itself hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    pairs = (p.partition("=") for p in environment.decode(errors="replace").split("\0"))
    return Process(pid, uid, int(fields[3]), int(fields[19]), {k: v for k, _, v in pairs if k})


async def end_all(select: Callable[[Process], bool], grace: float) -> bool:
    """SIGTERM what `select` picks, after `grace` seconds SIGKILL; False if something outlives it.

    Picks again each time round, since a dying process may have started others.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while picked := await asyncio.to_thread(lambda: [p for p in every_process() if select(p)]):
        waited = loop.time() - begun
        if waited > grace + 5.0:
            return False
        for process in picked:
            _signal(process, signal.SIGTERM if waited < grace else signal.SIGKILL)
        await asyncio.sleep(0.02 if waited < 0.2 else 0.1)
    return True


def _signal(process: Process, number: signal.Signals) -> None:
    """Through a pidfd, so that a pid given to another process meanwhile is not hit."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        again = look_up(process.pid)
        if again is not None and again.started == process.started:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        pass  # it ended by itself
    finally:
        os.close(fd)
