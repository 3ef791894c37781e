"""Leaves no process behind: orphans of what the harness started become its own children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2), from linux/prctl.h
_PAUSE = 0.01


def become_subreaper() -> None:
    """What a dead child leaves running is ours, not init's, and can be found and ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


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
