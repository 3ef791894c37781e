"""Whether agents can use what they need: files under a home of mode 0700 are closed to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hyperhive.protocol.errors import Unavailable


def check_reach(path: Path, uid: int) -> None:
    """Raises Unavailable when a user without groups cannot read `path`; names the remedy."""
    for closed, wanted in _obstacles(path, uid):
        raise Unavailable(
            f"agents run under users of their own, which cannot use {path}: {closed} is closed "
            f"to them; move it to a place that is not, or run: chmod o+{wanted} {closed}"
        )


def _obstacles(path: Path, uid: int) -> Iterator[tuple[Path, str]]:
    """What is closed on the way, from the root on, with the permission that is missing."""
    real = Path(os.path.realpath(path))
    for parent in dict.fromkeys((*reversed(path.parents), *reversed(real.parents))):
        if not _allows(parent, uid, "x"):
            yield parent, "x"
    wanted = "rx" if real.is_dir() or os.access(real, os.X_OK) else "r"
    if not _allows(real, uid, wanted):
        yield real, wanted


def _allows(path: Path, uid: int, wanted: str) -> bool:
    """By owner and others alone; a path that is not there is found out by who uses it."""
    try:
        found = path.stat()
    except OSError:
        return True
    shift = 6 if found.st_uid == uid else 0
    bits = {"x": stat.S_IXOTH, "r": stat.S_IROTH, "rx": stat.S_IROTH | stat.S_IXOTH}[wanted]
    return found.st_mode >> shift & bits == bits
