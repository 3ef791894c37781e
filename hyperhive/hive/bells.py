"""Wakes whoever waits for mail, the moment it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hyperhive.hive.records import Event


class Bell:
    """One waiter's bell; a ring while nobody waits is kept."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def clear(self) -> None:
        self._rung.clear()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            pass


class Bells:
    """Turns durable `message` events into rings for the recipient."""

    def __init__(self) -> None:
        self._bells: dict[int, list[Bell]] = {}
        self._listeners: list[Callable[[int], None]] = []

    def on_mail(self, listener: Callable[[int], None]) -> None:
        """Also call `listener` with the row id of each recipient of new mail."""
        self._listeners.append(listener)

    def publish(self, events: Sequence[Event]) -> None:
        """Subscriber of the store."""
        for event in events:
            if event.kind == "message" and event.data["state"] == "accepted":
                self.ring(event.data["to_id"])

    def ring(self, agent_id: int) -> None:
        for bell in self._bells.get(agent_id, ()):
            bell.ring()
        for listener in self._listeners:
            listener(agent_id)

    @contextmanager
    def listen(self, agent_id: int) -> Iterator[Bell]:
        bell = Bell()
        self._bells.setdefault(agent_id, []).append(bell)
        try:
            yield bell
        finally:
            bells = self._bells[agent_id]
            bells.remove(bell)
            if not bells:
                del self._bells[agent_id]
