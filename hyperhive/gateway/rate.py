"""A token bucket."""

from __future__ import annotations

import asyncio
import time

from hyperhive.protocol.errors import RateLimited


class TokenBucket:
    """Lets `rate` a second pass on average, and `burst` at once after a quiet time.

    What costs more than there is passes too, and has those after it wait until it is paid for.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = time.monotonic()

    def take(self, cost: float = 1.0) -> float:
        """0.0 when there was a token; else the seconds until there is one, and none is taken."""
        self._fill()
        if self._tokens >= 1:
            self._tokens -= cost
            return 0.0
        return (1 - self._tokens) / self._rate

    async def wait(self, cost: float = 1.0) -> None:
        """Take in any case, and wait until it is paid for."""
        self._fill()
        self._tokens -= cost
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)

    async def pay(self, cost: float = 1.0) -> None:
        """Raises RateLimited, but not before it is worth trying again: haste gains nothing."""
        if wait := self.take(cost):
            await asyncio.sleep(wait)
            raise RateLimited("too many requests", wait)

    def _fill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
