"""Removes what git leaves when it is killed: locks, and halves of objects and repositories."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HALF = (".new", ".old")
"""Ends of the names of repositories that are being made or removed."""


def remove(directory: Path) -> None:
    """In all repositories of a directory, in none of which a git runs. Repeatable."""
    if not directory.is_dir():
        return
    for path in directory.iterdir():
        if path.suffix in HALF:
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".git":
            for leftover in list(_leftovers(path)):
                with suppress(OSError):  # then git says what is wrong
                    leftover.unlink()


def _leftovers(repository: Path) -> Iterator[Path]:
    """No ref may be named `*.lock` (git-check-ref-format(1)), no object `tmp_*`."""
    yield from repository.glob("*.lock")
    yield from repository.glob("refs/**/*.lock")
    yield from repository.glob("objects/**/tmp_*")
