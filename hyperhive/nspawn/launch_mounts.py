"""mount(2) and unshare(2), which Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os

NOSUID, NODEV, NOEXEC, READ_ONLY = 2, 4, 8, 1
_REMOUNT, _BIND, _REC, _SLAVE = 0x20, 0x1000, 0x4000, 0x80000
_CLONE_NEWNS = 0x20000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (*(ctypes.c_char_p,) * 3, ctypes.c_ulong, ctypes.c_char_p)


def own_namespace() -> None:
    """From here on, what is mounted is seen by this process and its children alone.

    Descriptors opened before belong to the old namespace and cannot be bound any more.
    """
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount(None, "/", None, _REC | _SLAVE, None)


def tmpfs(target: str, flags: int, options: str) -> None:
    """A fresh tmpfs(5)."""
    _mount("tmpfs", target, "tmpfs", flags, options)


def bind(source: int, target: str, flags: int) -> None:
    """Show the open directory at `target`, without what is mounted below it, with these flags."""
    _mount(f"/proc/self/fd/{source}", target, None, _BIND, None)
    _mount(None, target, None, _REMOUNT | _BIND | flags, None)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None
) -> None:
    arguments = (_bytes(source), _bytes(target), _bytes(kind), flags, _bytes(options))
    _check(_libc.mount(*arguments), target)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _check(result: int, shown: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), shown)
