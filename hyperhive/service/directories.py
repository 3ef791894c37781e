"""The directories that the configuration names: made, checked, and held by one service."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperhive.protocol.errors import InvalidField

PRIVATE = 0o700
"""For us alone."""
PASSABLE = 0o711
"""Agents pass through on the way to their own."""


@contextmanager
def held(path: Path, mode: int, field: str) -> Iterator[None]:
    """Make the directory if need be, and keep every other service out of it (flock(2)).

    Raises InvalidField naming `field`. A directory that is there keeps its mode: it may be
    somebody else's, named by mistake.
    """
    _make(path, mode, field)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidField(field, f"{path} cannot be opened: {error.strerror}") from None
    try:
        _check(path, os.fstat(fd).st_mode, mode, field)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = f"another hyperhive uses {path}; stop that one, or name another directory"
            raise InvalidField(field, problem) from None
        yield
    finally:
        os.close(fd)


def _make(path: Path, mode: int, field: str) -> None:
    try:
        try:
            path.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            return
        path.chmod(mode)  # mkdir's is cut by the umask
    except OSError as error:
        remedy = "make it yourself, owned by the service's user, or name another one"
        problem = f"{error.filename} cannot be made: {error.strerror}; {remedy}"
        raise InvalidField(field, problem) from None


def _check(path: Path, found: int, wanted: int, field: str) -> None:
    """Nobody else may write to it, and nobody look into what is private."""
    allowed = wanted | stat.S_ISGID | (0o055 if wanted == PASSABLE else 0)
    if stat.S_IMODE(found) & ~allowed:
        problem = f"{path} is open to others (mode {stat.S_IMODE(found):04o})"
        raise InvalidField(field, f"{problem}; run: chmod {wanted:o} {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidField(field, f"{path} cannot be written to; check its owner and mode")
