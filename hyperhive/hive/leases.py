"""Who holds which messages, until when, and what becomes of them when the holder is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperhive.hive.clock import Clock, remaining
from hyperhive.hive.policy import Policy, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Delivery
from hyperhive.hive.settling import end_leases, lease_waiting
from hyperhive.protocol.errors import Conflict, HiveError, LeaseExpired

log = logging.getLogger(__name__)

BOOT_KEY = "boot_id"
RECV_DIGEST = b"recv"
"""Marks the keys of `recv` among the sender's keys; their answers are ids of deliveries."""
RETRY_SECONDS = 5.0
"""After the store refused to end a lease."""

Holder = tuple[int, str]
"""An agent's row id and the instance of one of its harnesses."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a `recv` got. `pause` is the seconds until a back-off ends, if one runs.

    `repeated`: it is what is left of the first answer under this key; nothing can be added.
    """

    deliveries: list[Delivery]
    pause: float | None = None
    repeated: bool = False


class Leases:
    """A lease belongs to one instance of one agent.

    Rows say who holds a message; deadlines live in memory only, because after a restart of the
    service every holder gets a full lease of grace anyway.
    """

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._deadlines: dict[Holder, float] = {}
        self._changed = asyncio.Event()

    # --- taking and settling ---

    async def take(
        self,
        agent_id: int,
        instance: str,
        turn: str | None,
        limit: int,
        max_bytes: int,
        key: str | None = None,
    ) -> Taken:
        """Lease what waits, unless the agent is stopped or in quarantine.

        The same `key` again gives what is still held of the first answer. Raises LeaseExpired
        when `turn` is not this instance's open turn, Conflict when the key was another request's.
        """

        def change(tx: Transaction) -> Taken:
            agent = require(tx.agents.get(agent_id))
            _check_turn(tx, agent_id, instance, turn)
            if key is not None and (first := tx.keys.find(agent_id, key)):
                return _held_still(tx, first, instance)
            if agent.quarantined or agent.wanted != "running":
                return Taken([])
            taken = lease_waiting(tx, self._clock, agent_id, instance, turn, limit, max_bytes)
            if key is not None and taken:
                ids = [d.id for d in taken]
                tx.keys.add(agent_id, key, RECV_DIGEST, ids, self._clock.now())
            waiting = None if taken else tx.messages.next_leasable(agent_id)
            return Taken(taken, remaining(waiting, self._clock) if waiting else None)

        try:
            # A power cut ends the holder too: a lease that it undoes was never in the way.
            taken = await self._store.write(change, durable=False)
        except asyncio.CancelledError:
            # It is written all the same: what nobody waits for any more must not be held for ever.
            self.touch(agent_id, instance)
            raise
        if taken.deliveries:
            self.touch(agent_id, instance)
        return taken

    async def acknowledge(self, agent_id: int, instance: str, ids: Sequence[int]) -> None:
        """Settle deliveries that this instance holds outside any turn; the rest are prolonged.

        Raises LeaseExpired when one of them is not so held; acknowledging twice is harmless.
        """
        if (agent_id, instance) in self._deadlines:
            self.touch(agent_id, instance)
        if not ids:
            return

        def change(tx: Transaction) -> None:
            now = self._clock.now()
            deliveries = {d.id: d for d in tx.messages.get_deliveries(ids)}
            settled = []
            for delivery_id in ids:
                delivery = deliveries.get(delivery_id)
                if delivery is None or delivery.recipient_id != agent_id:
                    raise LeaseExpired(f"delivery {delivery_id} is not yours")
                holder = (delivery.state, delivery.instance, delivery.turn)
                if holder == ("leased", instance, None):
                    settled.append(delivery_id)
                elif delivery.state != "acked":
                    raise LeaseExpired(f"the lease of delivery {delivery_id} ended")
            if settled:
                tx.messages.settle(settled, "acked", "handled", now)
                tx.events.append("settled", None, {"deliveries": settled, "as": "acked"}, now)

        await self._store.write(change, essential=True)

    # --- deadlines ---

    def touch(self, agent_id: int, instance: str) -> None:
        """Give this holder a full lease from now."""
        until = asyncio.get_running_loop().time() + self._policy.lease_seconds
        self._deadlines[agent_id, instance] = until
        self._changed.set()

    async def recover(self) -> None:
        """At readiness: a new boot ends every lease, a mere restart gives all holders grace."""

        def change(tx: Transaction) -> set[Holder]:
            same_boot = tx.meta.get(BOOT_KEY) == self._clock.boot_id
            tx.meta.set(BOOT_KEY, self._clock.boot_id)
            if not same_boot:
                end_leases(tx, self._clock, self._policy)
                forget_runs(tx)
            held, turns = tx.messages.leased(), tx.turns.open()
            holders = {(d.recipient_id, d.instance or "") for d in held}
            return holders | {(t.agent_id, t.instance) for t in turns}

        for holder in await self._store.write(change, essential=True):
            self.touch(*holder)

    async def run(self) -> None:
        """End leases as their deadlines pass. Owned by the service, cancelled at its end."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            now = loop.time()
            for holder, until in list(self._deadlines.items()):
                if until <= now:
                    await self._time_out(holder)
            nearest = min(self._deadlines.values(), default=None)
            try:
                async with asyncio.timeout_at(nearest):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _time_out(self, holder: Holder) -> None:
        try:
            await self.lose(*holder)
        except HiveError as error:
            log.warning("a lease of agent %d is not ended yet: %s", holder[0], error.message)
            retry_at = asyncio.get_running_loop().time() + RETRY_SECONDS
            self._deadlines.setdefault(holder, retry_at)

    async def lose(self, agent_id: int, instance: str) -> None:
        """The holder is gone: its turns are over, its messages have failed an attempt."""

        def change(tx: Transaction) -> None:
            end_leases(tx, self._clock, self._policy, agent_id, instance=instance)

        # First, as a heartbeat that comes meanwhile begins a new deadline.
        self._deadlines.pop((agent_id, instance), None)
        await self._store.write(change, essential=True)

    async def give_back_all(self, agent_id: int) -> None:
        """The agent was stopped on purpose: nothing it held is to blame."""

        def change(tx: Transaction) -> None:
            end_leases(tx, self._clock, self._policy, agent_id, blame=False)

        await self._store.write(change, essential=True)


def _check_turn(tx: Transaction, agent_id: int, instance: str, turn_id: str | None) -> None:
    if turn_id is None:
        return
    turn = tx.turns.get(turn_id)
    if turn is None or (turn.agent_id, turn.instance) != (agent_id, instance):
        raise LeaseExpired("no such turn of this instance")
    if turn.state != "open":
        raise LeaseExpired(f"the turn is {turn.state}")


def forget_runs(tx: Transaction) -> None:
    """They end together, with the machine or with the hive: none of them has crashed."""
    for agent in tx.agents.all():
        if agent.run:
            tx.agents.save(replace(agent, run=""))


def _held_still(tx: Transaction, first: tuple[bytes, Any], instance: str) -> Taken:
    digest, ids = first
    if digest != RECV_DIGEST:
        raise Conflict("this key was used for another request")
    again = tx.messages.get_deliveries(ids)
    held = [d for d in again if d.state == "leased" and d.instance == instance]
    return Taken(held, repeated=True)
