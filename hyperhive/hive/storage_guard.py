"""Watches the free space: with little of it no turn starts, with less no agent runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, cast

from hyperhive.hive.clock import Clock
from hyperhive.hive.mail import notify
from hyperhive.hive.ports import Store, Transaction
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.model import MANAGER

log = logging.getLogger(__name__)

Level = Literal["enough", "low", "critical"]
FreeSpace = Callable[[], Awaitable[float]]
"""The free fraction of the fullest file system that matters; bounded in time, or HiveError."""

LOW = 0.10
"""Free fraction below which no turn starts, and nothing is evaluated or built."""
CRITICAL = 0.05
"""Free fraction below which agents are stopped."""
ENOUGH = 0.12
"""Free fraction from which all goes on: above the others, or it would go to and fro."""
LOOK_SECONDS = 2.0
LEVEL_KEY = "storage_level"
"""Row of `meta`: between the limits the level depends on what it was."""


@dataclass(slots=True)
class Storage:
    """How much room there is, for everyone who has to hold back."""

    level: Level = "enough"
    free: float = 1.0

    @property
    def low(self) -> bool:
        """No turn may start."""
        return self.level != "enough"

    @property
    def critical(self) -> bool:
        """No agent may run."""
        return self.level == "critical"

    @property
    def problem(self) -> str:
        """For people; empty while there is enough."""
        if not self.low:
            return ""
        effect = "agents are stopped" if self.critical else "no turn starts"
        return f"only {self.free:.0%} of the disk is free: {effect} until {ENOUGH:.0%} are"


def next_level(level: Level, free: float) -> Level:
    if free < CRITICAL:
        return "critical"
    if free >= ENOUGH:
        return "enough"
    return "low" if free < LOW and level == "enough" else level


class StorageGuard:
    """Keeps `storage` true; `run` is its task."""

    def __init__(self, store: Store, clock: Clock, storage: Storage, free_space: FreeSpace) -> None:
        self._store = store
        self._clock = clock
        self._storage = storage
        self._free_space = free_space
        self._recorded = storage.level
        self._trouble = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Measure once. What cannot be measured or written now is tried at the next look."""
        trouble = ""
        try:
            free = await self._free_space()
            self._storage.free = free
            self._storage.level = next_level(self._storage.level, free)
            if self._storage.level != self._recorded:
                await self._record(self._storage.level)
        except HiveError as error:
            trouble = error.message
            if trouble != self._trouble:
                log.warning("free space: %s", trouble)
        self._trouble = trouble

    async def _record(self, level: Level) -> None:
        free, problem = round(self._storage.free, 4), self._storage.problem

        def change(tx: Transaction) -> None:
            tx.meta.set(LEVEL_KEY, level)
            facts = {"level": level, "free": free}
            tx.events.append("storage", None, facts, self._clock.now())
            if problem:
                told = {**facts, "note": problem}
                notify(tx, self._clock, tx.agents.by_name(MANAGER), "storage_low", told)
                notify(tx, self._clock, None, "storage_low", told)

        await self._store.write(change, essential=True)
        self._recorded = level


def known_level(tx: Transaction) -> Level:
    """The level that an earlier service left."""
    return cast(Level, tx.meta.get(LEVEL_KEY) or "enough")
