"""The tunnels and proxied requests that are under way, by agent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hyperhive.gateway.caller import Caller
from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.gateway.limits import EgressLimits
from hyperhive.gateway.rate import TokenBucket
from hyperhive.protocol.hosts import HostPort

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Passage:
    """`sent` and `received` are bytes, as the agent sees them; `cut` ends it at once."""

    agent: str
    target: HostPort
    cut: Callable[[], object]
    pace: TokenBucket
    """Of all passages of the agent, in bytes."""
    sent: int = 0
    received: int = 0
    began: float = field(default_factory=time.monotonic)

    async def send(self, count: int) -> None:
        """Count what was sent, and wait until the agent may move more."""
        self.sent += count
        await self.pace.wait(count)

    async def receive(self, count: int) -> None:
        self.received += count
        await self.pace.wait(count)

    def __str__(self) -> str:
        return f"{self.agent}: egress to {self.target}"


class Passages:
    """At most so many of one agent at a time, and so many bytes a second in them."""

    def __init__(self, limits: EgressLimits) -> None:
        self._limits = limits
        self._paces: dict[int, TokenBucket] = {}
        self._open: dict[int, set[Passage]] = {}

    def of(self, agent_id: int) -> list[Passage]:
        return list(self._open.get(agent_id, ()))

    @contextmanager
    def open(
        self, caller: Caller, target: HostPort, cut: Callable[[], object]
    ) -> Iterator[Passage]:
        """Raises EgressRefused when there are too many."""
        mine = self._open.setdefault(caller.agent_id, set())
        if len(mine) >= self._limits.passages:
            problem = f"{self._limits.passages} connections are open already; close some"
            raise EgressRefused(503, problem)
        passage = Passage(caller.name, target, cut, self._pace(caller.agent_id))
        mine.add(passage)
        try:
            yield passage
        finally:
            mine.discard(passage)
            if not mine:
                self._open.pop(caller.agent_id, None)
            if passage.sent or passage.received:
                seconds = time.monotonic() - passage.began
                log.debug(
                    *("%s: %d bytes sent, %d received in %.1f s", passage),
                    *(passage.sent, passage.received, seconds),
                )

    def _pace(self, agent_id: int) -> TokenBucket:
        """Kept for good: else to close and open again would be a way to go faster."""
        rate = self._limits.bytes_per_second
        return self._paces.setdefault(agent_id, TokenBucket(rate, round(rate)))
