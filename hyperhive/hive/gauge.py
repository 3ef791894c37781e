"""What running agents use of the machine, asked of the runtime now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any

from hyperhive.hive.ports import Usage
from hyperhive.protocol.errors import HiveError

FRESH_SECONDS = 2.0
"""For so long an answer is given again: every page that refreshes asks."""
LIMIT_SECONDS = 3.0
"""After which an agent is shown without figures."""


class Gauge:
    """Answers always, with figures where there are some."""

    def __init__(self, measure: Callable[[str], Awaitable[Usage]]) -> None:
        self._measure = measure
        self._known: dict[str, tuple[float, Usage]] = {}

    async def read(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """By name, the fields of `Usage`; None where nothing is known."""
        wanted = list(names)
        found = await asyncio.gather(*(self._of(name) for name in wanted))
        return {name: asdict(usage) for name, usage in zip(wanted, found, strict=True)}

    async def _of(self, name: str) -> Usage:
        now = asyncio.get_running_loop().time()
        at, usage = self._known.get(name, (-FRESH_SECONDS, Usage()))
        if now - at < FRESH_SECONDS:
            return usage
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                usage = await self._measure(name)
        except (HiveError, TimeoutError):
            usage = Usage()
        self._known = {n: k for n, k in self._known.items() if now - k[0] < FRESH_SECONDS}
        self._known[name] = (now, usage)
        return usage
