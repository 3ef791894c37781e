"""What has to happen as time passes: deadlines each second, retention now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hyperhive.hive.broker import Broker
from hyperhive.hive.clock import Clock
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.questions import Questions
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SWEEP_SECONDS = 60.0
STEP_ROWS = 200
"""Rows deleted in one transaction: small, so that no writer waits long behind it."""
_DAY = 86_400.0


class Housekeeping:
    """Expires questions and messages, and keeps the tables bounded."""

    def __init__(
        self, store: Store, clock: Clock, policy: Policy, broker: Broker, questions: Questions
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._broker = broker
        self._questions = questions

    async def run(self) -> None:
        """Until cancelled. A full or busy database is tried again at the next tick."""
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        while True:
            try:
                await self._questions.expire()
                await self._broker.expire()
                if loop.time() >= next_sweep:
                    await self.sweep()
                    next_sweep = loop.time() + SWEEP_SECONDS
            except HiveError as error:
                log.warning("housekeeping: %s", error.message)
            await asyncio.sleep(TICK_SECONDS)

    async def sweep(self) -> int:
        """Delete what retention allows, in small steps; returns how many rows went."""
        keep = self._policy.retention
        now = self._clock.now()
        message_age, event_age = now - keep.message_days * _DAY, now - keep.event_days * _DAY
        turn_age = now - keep.turn_log_days * _DAY
        steps: list[Callable[[Transaction], int]] = [
            lambda tx: tx.retention.messages(message_age, keep.messages, STEP_ROWS),
            lambda tx: tx.retention.keys(message_age, STEP_ROWS),
            lambda tx: tx.retention.events(event_age, turn_age, keep.events, STEP_ROWS),
        ]
        total = 0
        for step in steps:
            while gone := await self._store.write(step, essential=True):
                total += gone
        await self._store.write(lambda tx: tx.logins.remove_expired(self._clock))
        return total
