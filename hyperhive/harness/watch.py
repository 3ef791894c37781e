"""Breaks off a turn that was cancelled or lost, that hangs, or that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hyperhive.harness.orders import CurrentTurn

AGAIN_SECONDS = 0.5


class Watch:
    """Watches one turn; `heard` on every sign of life. Times in seconds."""

    def __init__(self, turn: CurrentTurn, silence: float, limit: float) -> None:
        self._turn = turn
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._end = self._heard + limit

    def heard(self) -> None:
        self._heard = self._loop.time()

    async def run(self, interrupt: Callable[[], Awaitable[None]]) -> None:
        """Wait for a reason to stop, then interrupt until cancelled.

        More than once, since between a turn's steps there is nothing to interrupt.
        """
        while not self._turn.stopped.is_set():
            try:
                async with asyncio.timeout_at(min(self._end, self._heard + self._silence)):
                    await self._turn.stopped.wait()
            except TimeoutError:
                now = self._loop.time()
                if now >= self._end:
                    self._turn.stop("too_long")
                elif now >= self._heard + self._silence:
                    self._turn.stop("silent")
        while True:
            await interrupt()
            await asyncio.sleep(AGAIN_SECONDS)
