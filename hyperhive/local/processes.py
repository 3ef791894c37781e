"""Finds and ends processes by what /proc says about them (proc(5))."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_GIVE_UP = 5.0
"""Seconds of SIGKILL after which a process is taken to be beyond reach, as in a hung disk."""


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is in clock ticks since boot: with it a pid names one process for good."""

    pid: int
    parent: int
    session: int
    started: int
    uids: frozenset[int]
    """Real, effective, saved and of the filesystem."""
    environment: dict[str, str]
    """As it was at exec; empty where we may not read it."""


def every_process() -> Iterator[Process]:
    """All processes there are at some moment; those that end meanwhile may be missing."""
    for name in os.listdir(_PROC):
        if name.isdigit() and (process := look_up(int(name))):
            yield process


def look_up(pid: int) -> Process | None:
    """The process with this pid, or None when it is gone or dead."""
    directory = _PROC / str(pid)
    try:
        stat = (directory / "stat").read_text(errors="replace")
        # The owner of the directory would be root for a process that made itself undumpable.
        status = (directory / "status").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the command in parentheses and may itself hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] == "X" or _is_zombie(fields):
        return None
    ids = next((line for line in status.splitlines() if line.startswith("Uid:")), "Uid:")
    return Process(
        pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        uids=frozenset(map(int, ids.split()[1:])),
        environment=_environment(directory),
    )


def _is_zombie(fields: list[str]) -> bool:
    """Not so a process whose first thread has ended, and others go on."""
    return fields[0] == "Z" and int(fields[17]) <= 1


def _environment(directory: Path) -> dict[str, str]:
    try:
        text = (directory / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in text.split("\0"))
    return {name: value for name, _, value in pairs if name}


def descendants(pid: int) -> frozenset[tuple[int, int]]:
    """(pid, started) of all that this process started and that did not leave its tree."""
    children: dict[int, list[Process]] = {}
    for process in every_process():
        children.setdefault(process.parent, []).append(process)
    found, waiting = set(), [pid]
    while waiting:
        for process in children.get(waiting.pop(), ()):
            found.add((process.pid, process.started))
            waiting.append(process.pid)
    return frozenset(found)


async def end_all(
    select: Callable[[Process], bool], grace: float, finish: Callable[[], None] | None = None
) -> bool:
    """SIGTERM what `select` picks, after `grace` seconds SIGKILL; False if something outlives it.

    Picks again each time round, since a dying process may have started others. What starts others
    faster than they can be listed needs `finish`, which is called when nothing is seen, or late.
    """
    loop = asyncio.get_running_loop()
    begun, finished = loop.time(), finish is None
    while True:
        picked = await asyncio.to_thread(lambda: [p for p in every_process() if select(p)])
        waited = loop.time() - begun
        if not picked and finished:
            return True
        if waited > grace + _GIVE_UP:
            return False
        for process in picked:
            _signal(process, signal.SIGTERM if waited < grace else signal.SIGKILL)
        if finish is not None and (not picked or waited >= grace):
            await asyncio.to_thread(finish)
            finished = True
        elif picked:
            await asyncio.sleep(0.02 if waited < 0.2 else 0.1)


_KILL_USER = """
import os, signal, sys
user, spare = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setresgid(spare, spare, spare)
os.setresuid(spare, user, spare)
os.kill(-1, signal.SIGKILL)
"""
_SPARE = 32_768
"""Added to an agent's uid: one in its range that nothing runs under."""


def kill_user(uid: int) -> None:
    """SIGKILL every process of a user in one step of the kernel, which no fork escapes (kill(2)).

    Needs root. Only the effective uid of what does it is the user's, which is enough to send the
    signal; by the real and the saved one, it cannot be killed or stopped by the user before.
    """
    with suppress(OSError, subprocess.TimeoutExpired):  # who calls this looks what is left
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _KILL_USER, str(uid), str(uid + _SPARE)],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=5.0,
            check=False,
        )


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
