"""Ends what fills the disk: Nix's daemon writes for a unit, beyond the limits of the unit's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hyperhive.protocol.errors import BuildFailed, Unavailable

T = TypeVar("T")

STORE = Path("/nix/store")
LOOK_SECONDS = 1.0


class Room:
    """On the disk of the store: `free` tells which fraction of it is, or raises Unavailable.

    With less than `least` nothing is evaluated or built.
    """

    def __init__(self, free: Callable[[], Awaitable[float]], least: float) -> None:
        self._free = free
        self._least = least

    async def hold(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns or raises; with too little room it is cancelled: BuildFailed."""
        working = asyncio.ensure_future(work)
        try:
            while not working.done():
                await self._check()
                await asyncio.wait([working], timeout=LOOK_SECONDS)
            return working.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _check(self) -> None:
        try:
            free = await self._free()
        except Unavailable:
            return  # a disk that does not answer ends nothing
        if free < self._least:
            raise BuildFailed(
                "stopped",
                f"only {free:.0%} of the disk of {STORE} is free, and nothing is evaluated or "
                f"built with less than {self._least:.0%}: `nix-store --gc` removes what nobody "
                "needs",
            )
