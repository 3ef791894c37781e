"""The event log as a live stream: resumed from rows, then fed by what becomes durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Event

PAGE = 500


class Reset(Exception):
    """The place to resume from is no longer in the log: read everything afresh."""


class EventLog:
    """Streams read rows whenever something was published: a slow reader keeps no queue, and what
    it sees is always what is stored, in order and without a gap."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._published = asyncio.Event()
        self._closed = False

    def publish(self, events: Sequence[Event]) -> None:
        """Subscriber of the store: wakes every stream."""
        self._published.set()
        self._published = asyncio.Event()

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        self._published.set()

    async def last(self) -> int:
        return await self._store.read(lambda tx: tx.events.last())

    async def follow(
        self, after: int, agent: str | None = None
    ) -> AsyncGenerator[list[Event], None]:
        """Batches of events numbered above `after`, for ever. Raises Reset on a gap.

        A number above the newest is of another database, or of the future: also Reset.
        """
        while not self._closed:
            published = self._published

            def query(tx: Transaction, after: int = after) -> tuple[list[Event], bool, int]:
                last = tx.events.last()
                gap = after < tx.events.floor() or after > last
                return tx.events.after(after, PAGE, agent), gap, last

            events, gap, last = await self._store.read(query)
            if gap:
                raise Reset
            if events:
                yield events
                after = events[-1].seq
            if len(events) < PAGE:
                after = last  # so that retention does not overtake the stream of a quiet agent
                await published.wait()
