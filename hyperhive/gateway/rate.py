"""A token bucket."""

from __future__ import annotations

import time


class TokenBucket:
    """Lets `rate` a second pass on average, and `burst` at once after a quiet time."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = time.monotonic()

    def take(self) -> float:
        """0.0 when there was a token; else the seconds until there is one, and none is taken."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate
