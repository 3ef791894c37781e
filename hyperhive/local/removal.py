"""Deletes a tree that somebody hostile has filled."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

from hyperhive.local import uids

_AT_ONCE = 1_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def remove_tree(parent: Path, name: str) -> None:
    """Delete `name` in `parent`, a directory of ours that nobody else can write to.

    Follows no link, and neither depth nor length of paths nor number matter: each directory in it
    is moved up to `parent` before it is emptied. What a crash leaves there begins with the same
    name up to the first dot. Raises OSError.
    """
    top = os.open(parent, _DIRECTORY)
    try:
        waiting = [name]
        while waiting:
            waiting += _take_apart(top, waiting.pop())
    finally:
        os.close(top)


def _take_apart(top: int, name: str) -> list[str]:
    """Delete `name` in `top`; returns the names of what was in it and is beside it now."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
        os.unlink(name, dir_fd=top)
        return []
    _open_up(top, name)
    moved: list[str] = []
    fd = os.open(name, _DIRECTORY, dir_fd=top)
    try:
        while entries := _some(fd):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    _open_up(fd, entry.name)
                    moved.append(f"{name.partition('.')[0]}.{os.urandom(8).hex()}")
                    os.rename(entry.name, moved[-1], src_dir_fd=fd, dst_dir_fd=top)
                else:
                    os.unlink(entry.name, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=top)
    return moved


def _some(fd: int) -> list[os.DirEntry[str]]:
    with os.scandir(fd) as entries:
        return list(islice(entries, _AT_ONCE))


def _open_up(parent: int, name: str) -> None:
    """Only root can empty or move a directory that is closed to its owner."""
    if not uids.own_users():
        os.chmod(name, 0o700, dir_fd=parent)
