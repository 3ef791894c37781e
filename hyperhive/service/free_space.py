"""How much of the disk is free, measured off the loop and bounded in time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from hyperhive.protocol.errors import Unavailable

LIMIT_SECONDS = 2.0


def free_fraction(path: Path) -> float:
    """Of blocks or of inodes, whichever is less, of the file system of `path` (statvfs(3)).

    A directory that is not there yet counts as the one it will be made in. Raises OSError.
    """
    while not path.exists():
        path = path.parent
    fs = os.statvfs(path)
    blocks = fs.f_bavail / fs.f_blocks if fs.f_blocks else 1.0
    return min(blocks, fs.f_favail / fs.f_files) if fs.f_files else blocks  # some count no inodes


class FreeSpace:
    """Answers with the least of several paths; one that hangs is not asked again meanwhile."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._asking: asyncio.Future[float] | None = None

    async def __call__(self) -> float:
        """Raises Unavailable."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._least))
        try:
            done, _ = await asyncio.wait([self._asking], timeout=LIMIT_SECONDS)
            if not done:
                raise Unavailable(f"the disk did not answer within {LIMIT_SECONDS:g} s")
            return self._asking.result()
        except OSError as error:
            raise Unavailable(f"{error.filename or 'disk'}: {error.strerror or error}") from None

    def _least(self) -> float:
        return min(free_fraction(path) for path in self._paths)
