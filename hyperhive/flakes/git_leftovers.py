"""Removes what git leaves when it is killed: locks, and halves of objects, packs, repositories."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HALF = (".new", ".old")
"""Ends of the names of repositories that are being made or removed."""
HELD = ".incoming"
"""What was received for one is kept as long as the repository is."""


def remove(directory: Path) -> None:
    """In all repositories of a directory, in none of which a git runs. Repeatable."""
    if not directory.is_dir():
        return
    for path in directory.iterdir():
        if path.suffix in HALF or (path.suffix == HELD and not path.with_suffix(".git").is_dir()):
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
    for pack in repository.glob("objects/pack/pack-*.pack"):
        if not pack.with_suffix(".idx").exists():
            yield pack
