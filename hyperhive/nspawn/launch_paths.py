"""Opens directories one component at a time, so that no link and no foreign owner is in the way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator

from hyperhive.nspawn.launch_refusal import Exit, Refused

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LOCK_WAIT = 30.0
"""Seconds; a lock is held for as long as a few directories take to make or to move."""


@contextlib.contextmanager
def opened(fd: int) -> Iterator[int]:
    """Closes the descriptor at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def open_trusted(path: str, status: Exit, *, missing: Exit | None = None) -> int:
    """The directory at an absolute path that only root can have put there.

    Every component is root's; others may write to it only where the sticky bit keeps them from
    what is not theirs. Raises Refused with `status`, or `missing` where there is nothing.
    """
    return _descend(os.open("/", DIRECTORY), path.split("/"), "", 0, status, missing, sticky=True)


def open_below(
    parent: int,
    names: Iterable[str],
    owner: int,
    shown: str,
    status: Exit,
    *,
    missing: Exit | None = None,
) -> int:
    """The directory `names` below `parent`: all of them `owner`'s, which nobody else can write to.

    `shown` is the path of `parent`, for messages.
    """
    return _descend(os.dup(parent), names, shown, owner, status, missing, sticky=False)


def _descend(
    fd: int,
    names: Iterable[str],
    shown: str,
    owner: int,
    status: Exit,
    missing: Exit | None,
    *,
    sticky: bool,
) -> int:
    """Takes over `fd`."""
    for name in filter(None, names):
        shown = f"{shown}/{name}"
        with opened(fd) as parent:
            fd = _open_one(parent, name, shown, status, missing or status)
        try:
            check_safe(os.fstat(fd), owner, shown, status, sticky=sticky)
        except Refused:
            os.close(fd)
            raise
    return fd


def _open_one(parent: int, name: str, shown: str, status: Exit, missing: Exit) -> int:
    if name in (".", ".."):
        raise Refused(status, f"{shown}: no path may contain `{name}`")
    try:
        return os.open(name, DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        raise Refused(missing, f"{shown} does not exist") from None
    except NotADirectoryError:  # what O_DIRECTORY with O_NOFOLLOW says of a link, too
        raise Refused(status, f"{shown} is a link or no directory") from None
    except OSError as error:
        raise Refused(status, f"{shown} cannot be opened: {error.strerror}") from None


def check_safe(
    found: os.stat_result, owner: int, shown: str, status: Exit, *, sticky: bool = False
) -> None:
    """Raises Refused unless it is `owner`'s and nobody else can write to it."""
    if found.st_uid != owner:
        raise Refused(status, f"{shown} is owned by uid {found.st_uid} instead of {owner}")
    kept_apart = sticky and found.st_mode & stat.S_ISVTX
    if found.st_mode & _OTHERS_WRITE and not kept_apart:
        mode = stat.S_IMODE(found.st_mode)
        raise Refused(status, f"{shown} can be written to by others (mode {mode:04o})")


def read_regular(parent: int, name: str, shown: str, limit: int, status: Exit) -> bytes:
    """The content of a regular file of root's with at most `limit` bytes. Raises Refused.

    Opened without waiting, since a pipe could otherwise hold us up for ever.
    """
    try:
        fd = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent
        )
    except OSError as error:
        raise Refused(status, f"{shown} cannot be opened: {error.strerror}") from None
    with opened(fd):
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise Refused(status, f"{shown} is no regular file")
        check_safe(found, 0, shown, status)
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise Refused(status, f"{shown} has more than {limit} bytes")
    return data


@contextlib.contextmanager
def locked(directory: int, shown: str) -> Iterator[None]:
    """Holds the lock of an open directory (flock(2)); it ends with the process at the latest."""
    deadline = time.monotonic() + _LOCK_WAIT
    while not _try_lock(directory):
        if time.monotonic() > deadline:
            raise Refused(Exit.BUSY, f"{shown} was locked for {_LOCK_WAIT:.0f} s; try again")
        time.sleep(0.02)
    try:
        yield
    finally:
        fcntl.flock(directory, fcntl.LOCK_UN)


def _try_lock(directory: int) -> bool:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
