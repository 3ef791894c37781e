"""The tunnels and proxied requests that are under way, by agent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hyperhive.gateway.caller import Caller
from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.protocol.hosts import HostPort

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Passage:
    """`sent` and `received` are bytes, as the agent sees them; `cut` ends it at once."""

    agent: str
    target: HostPort
    cut: Callable[[], object]
    sent: int = 0
    received: int = 0
    began: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return f"{self.agent}: egress to {self.target}"


class Passages:
    """At most `most` of one agent at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[int, set[Passage]] = {}

    def of(self, agent_id: int) -> list[Passage]:
        return list(self._open.get(agent_id, ()))

    @contextmanager
    def open(
        self, caller: Caller, target: HostPort, cut: Callable[[], object]
    ) -> Iterator[Passage]:
        """Raises EgressRefused when there are too many."""
        mine = self._open.setdefault(caller.agent_id, set())
        if len(mine) >= self._most:
            raise EgressRefused(503, f"{self._most} connections are open already; close some")
        passage = Passage(caller.name, target, cut)
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
