"""An agent's log file: what its harness wrote to stdout and stderr."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

LIMIT = 8 * 1024 * 1024
"""Bytes above which a log is begun anew at the next start."""
TAIL = 512 * 1024
"""Bytes from which the last lines are taken."""

# Where agents run under our own uid they can put anything in its place: O_NONBLOCK is for FIFOs.
_CAREFULLY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_log(path: Path) -> int:
    """A descriptor to append to; a log that grew too long is put aside, in place of an older one.

    Raises OSError, also when something else is there.
    """
    if os.path.lexists(path) and path.lstat().st_size > LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def tail(path: Path, lines: int) -> Sequence[str]:
    """The last lines, oldest first; none when there is no log. Raises OSError."""
    try:
        fd = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    with os.fdopen(fd, "rb") as file:
        start = max(0, os.fstat(fd).st_size - TAIL)
        file.seek(start)
        found = file.read(TAIL).decode(errors="replace").removesuffix("\n").split("\n")
    whole = found[1:] if start else found  # the first one begins before what was read
    return [] if whole == [""] else whole[-lines:]


def _open(path: Path, flags: int) -> int:
    fd = os.open(path, flags | _CAREFULLY, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is not a regular file; remove it")
    return fd
