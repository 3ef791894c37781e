"""The log of one turn on its way to the host: in order, in batches, bounded in an outage."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import asdict, replace

from hyperhive.harness.link import Link
from hyperhive.harness.session_events import MAX_EVENT_BYTES, bounded
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.verbs import TurnEvent

log = logging.getLogger(__name__)

MAX_BATCH = 64
"""Events in one request; the host refuses more."""
MAX_BATCH_BYTES = 64 * 1024
"""Of their text, which JSON makes at most six times longer."""
KEPT = 500
"""Events kept from the beginning, and as many from the end, while they cannot be sent."""


class TurnLog:
    """Takes events at once, sends them as the host can take them. Owned by whoever runs `run`."""

    def __init__(self, link: Link, turn: str) -> None:
        self._link = link
        self._turn = turn
        self._next = 1
        self._first: deque[TurnEvent] = deque()
        self._dropped = 0
        self._last: deque[TurnEvent] = deque()
        self._added = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()

    def add(self, event: TurnEvent) -> None:
        """Never waits. What is too much for the buffer goes from its middle."""
        event = replace(event, text=bounded(event.text.replace("\0", "\N{SYMBOL FOR NULL}")))
        if not self._last and len(self._first) < KEPT:
            self._first.append(event)
        else:
            self._last.append(event)
        if len(self._last) > KEPT:
            self._last.popleft()
            self._dropped += 1
        self._sent.clear()
        self._added.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._added.wait()
            self._added.clear()
            while batch := self._take():
                await self._deliver(batch)
            self._sent.set()

    async def drained(self) -> None:
        """Wait until everything is with the host."""
        await self._sent.wait()

    def _take(self) -> list[TurnEvent]:
        if not self._first:
            if self._dropped:
                notice = f"{self._dropped} events were dropped here while the host was away"
                self._first.append(TurnEvent(kind="notice", text=notice))
            self._first.extend(self._last)
            self._dropped = 0
            self._last.clear()
        batch: list[TurnEvent] = []
        size = 0
        while self._first and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES - MAX_EVENT_BYTES:
            batch.append(self._first.popleft())
            size += len(batch[-1].text.encode())
        return batch

    async def _deliver(self, batch: list[TurnEvent]) -> None:
        args = {
            "turn": self._turn,
            "first": self._next,
            "events": [asdict(event) for event in batch],
        }
        self._next += len(batch)
        try:
            await self._link.insist("turn_events", args)
        except HiveError as error:
            log.warning("%d turn events are lost: %s", len(batch), error)
