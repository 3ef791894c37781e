"""Ends what fills the disk: Nix's daemon writes for a unit, beyond the limits of the unit's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hyperhive.protocol.errors import BuildFailed

T = TypeVar("T")

LOW = 0.10
"""Free fraction below which nothing is evaluated or built, as no turn starts then."""
LOOK_SECONDS = 1.0


async def while_there_is(place: Path, work: Coroutine[Any, Any, T]) -> T:
    """What the work returns or raises; with too little room it is cancelled. Raises BuildFailed.

    A place that is not there counts as the one it will be made in.
    """
    working = asyncio.ensure_future(work)
    try:
        while not working.done():
            if (free := await asyncio.to_thread(_free, place)) < LOW:
                raise BuildFailed(
                    "stopped",
                    f"only {free:.0%} of the disk of {place} is free, and nothing is evaluated or "
                    f"built with less than {LOW:.0%}: `nix-store --gc` removes what nobody needs",
                )
            await asyncio.wait([working], timeout=LOOK_SECONDS)
        return working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _free(place: Path) -> float:
    while not place.exists():
        place = place.parent
    disk = os.statvfs(place)
    return disk.f_bavail / disk.f_blocks if disk.f_blocks else 1.0
