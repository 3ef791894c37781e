"""Leaves no process behind: orphans of what the harness started become its own children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

# prctl(2), from linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_PAUSE = 0.01


def become_subreaper() -> None:
    """What a dead child leaves running is ours, not init's, and can be found and ended."""
    _prctl(PR_SET_CHILD_SUBREAPER)


def give_up_new_privileges() -> None:
    """From here on no setuid program gives any; a container says so already, a process does not."""
    _prctl(PR_SET_NO_NEW_PRIVS)


def _prctl(option: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def children(pid: int | None = None) -> set[int]:
    """Pids of the direct children, whichever thread started them (proc_pid_children(5))."""
    found: set[int] = set()
    for file in Path(f"/proc/{pid or os.getpid()}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread or process has ended
            found.update(map(int, file.read_text().split()))
    return found


def kill_children(patience: float = 2.0) -> bool:
    """SIGKILL every descendant, as killing a child turns its children into ours.

    Returns whether none is left; one in an uninterruptible wait may outlast `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while pids := children():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):  # somebody else has waited for it
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
