"""Takes away what keeps even root from deleting: the immutable and append-only flags."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
from collections.abc import Iterator

_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS (ioctl_iflags(2))
_IMMUTABLE, _APPEND = 0x10, 0x20


def clear(fd: int) -> bool:
    """Whether the open file or directory had such a flag, and lost it."""
    try:
        flags = _get(fd)
        if not flags & (_IMMUTABLE | _APPEND):
            return False
        fcntl.ioctl(fd, _SETFLAGS, struct.pack("l", flags & ~(_IMMUTABLE | _APPEND)))
    except OSError:  # a file system without flags, or that does not let us
        return False
    return True


def clear_entry(directory: int, name: str) -> bool:
    """The same for an entry that is no link. Never opens a device or a pipe: that has effects."""
    with contextlib.suppress(OSError), _looked_at(directory, name) as fd:
        kind = os.fstat(fd).st_mode
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
            # By its descriptor, so that it is what was looked at.
            real = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                return clear(real)
            finally:
                os.close(real)
    return False


@contextlib.contextmanager
def _looked_at(directory: int, name: str) -> Iterator[int]:
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def _get(fd: int) -> int:
    (flags,) = struct.unpack("l", fcntl.ioctl(fd, _GETFLAGS, struct.pack("l", 0)))
    return int(flags)
