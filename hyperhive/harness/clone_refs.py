"""Writes refs into a clone as git does, one file each (gitrepository-layout(5)).

Not by git, which would read the clone's configuration and run its hooks for that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def write_refs(repository: Path, refs: Mapping[str, str]) -> list[str]:
    """Ref -> id, such as `refs/tags/deployed/7`. Returns what could not be written, and why.

    Follows no links. A lock is left alone, whosever it is.
    """
    problems = []
    for name, target in refs.items():
        *parents, last = name.split("/")
        try:
            with _opened(repository, parents) as directory:
                if _read(directory, last) != target:
                    _replace(directory, last, target)
        except FileExistsError:
            problems.append(f"{name}.lock is there: a git at work, or one that was killed")
        except OSError as error:
            problems.append(f"{name} cannot be written: {error.strerror}")
    return problems


@contextmanager
def _opened(repository: Path, parts: Sequence[str]) -> Iterator[int]:
    fd = os.open(repository, _DIRECTORY)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=fd)
            below = os.open(part, _DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def _read(directory: int, name: str) -> str | None:
    try:
        fd = os.open(name, _FILE, dir_fd=directory)
    except OSError:  # whatever else is there: it is to be replaced
        return None
    try:
        return os.read(fd, 100).decode(errors="replace").strip()
    except OSError:
        return None
    finally:
        os.close(fd)


def _replace(directory: int, name: str, target: str) -> None:
    lock = f"{name}.lock"
    with os.fdopen(os.open(lock, _LOCK, 0o666, dir_fd=directory), "wb") as file:
        file.write(f"{target}\n".encode())
    try:
        os.rename(lock, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(lock, dir_fd=directory)
        raise
