"""Packs as files: taken over so that a crash leaves nothing half, and a full disk is seen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperhive.flakes.git_program import GitFailed
from hyperhive.protocol.errors import StorageFull, Unavailable

_SPARE = 2**20
"""With less than so many bytes a disk is full."""


@contextmanager
def on_disk(repository: Path) -> Iterator[None]:
    """What fails on a full disk fails for that: git itself does not always say so."""
    try:
        yield
    except TimeoutError:
        raise
    except (OSError, GitFailed) as error:
        disk = os.statvfs(repository.parent)
        if disk.f_bavail * disk.f_frsize < _SPARE or (disk.f_files and not disk.f_favail):
            raise StorageFull(f"no space is left for {repository.stem}: {error}") from None
        if isinstance(error, GitFailed):
            raise
        raise Unavailable(f"what is proposed cannot be kept: {error}") from None


def take_over(held: Path, repository: Path) -> None:
    """Linked, so that a repeat finds all of it; the index last, without which a pack is none."""
    to = repository / "objects/pack"
    to.mkdir(exist_ok=True)
    for path in sorted((held / "objects/pack").iterdir(), key=lambda p: p.suffix == ".idx"):
        with suppress(FileExistsError):  # the name says what is in it
            os.link(path, to / path.name)
    _sync(to)


def drop(held: Path) -> None:
    """At once, for who reads from it; what is left of it when this is interrupted goes at start."""
    old = held.with_name(f"{held.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.rename(held, old)
    shutil.rmtree(old, ignore_errors=True)


def replace(held: Path, place: Path) -> None:
    _sync(place)
    drop(held)
    os.rename(place, held)
    _sync(held.parent)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def size(*directories: Path) -> int:
    """Of all files in them together, in bytes."""
    total = 0
    for directory in directories:
        for parent, _, names in os.walk(directory):
            for name in names:
                with suppress(FileNotFoundError):  # a lock that was there a moment ago
                    total += (Path(parent) / name).lstat().st_size
    return total
