"""Who holds which messages, until when, and what becomes of them when the holder is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from hyperhive.hive.clock import Clock, deadline_in, remaining
from hyperhive.hive.mail import notify
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Delivery
from hyperhive.protocol.errors import LeaseExpired

BOOT_KEY = "boot_id"


class Leases:
    """A lease belongs to one instance of one agent.

    Rows say who holds a message; deadlines live in memory only, because after a restart of the
    service every holder gets a full lease of grace anyway.
    """

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._deadlines: dict[tuple[int, str], float] = {}
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
    ) -> tuple[list[Delivery], float | None]:
        """Lease what waits; also the seconds until a back-off of this agent ends, if one runs.

        The same `key` again gives what is still held of the first answer. Raises LeaseExpired
        when `turn` is not this instance's open turn.
        """

        def change(tx: Transaction) -> tuple[list[Delivery], float | None]:
            if turn is not None:
                row = tx.turns.get(turn)
                if row is None or (row.agent_id, row.instance) != (agent_id, instance):
                    raise LeaseExpired("no such turn of this instance")
                if row.state != "open":
                    raise LeaseExpired(f"the turn is {row.state}")
            if key is not None and (first := tx.keys.find(agent_id, key)):
                again = tx.messages.get_deliveries(first[1])
                return [d for d in again if d.state == "leased" and d.instance == instance], None
            taken = lease_waiting(tx, self._clock, agent_id, instance, turn, limit, max_bytes)
            if key is not None and taken:
                ids = [d.id for d in taken]
                tx.keys.add(agent_id, key, b"recv", ids, self._clock.now())
            waiting = None if taken else tx.messages.next_leasable(agent_id)
            return taken, remaining(waiting, self._clock) if waiting else None

        taken, pause = await self._store.write(change)
        if taken:
            self.touch(agent_id, instance)
        return taken, pause

    async def acknowledge(self, agent_id: int, instance: str, ids: Sequence[int]) -> None:
        """Settle deliveries that this instance holds outside any turn; the rest are prolonged.

        Raises LeaseExpired when one of them is no longer held; acknowledging twice is harmless.
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
                if delivery.state == "leased" and delivery.instance == instance:
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

        def change(tx: Transaction) -> list[Delivery]:
            same_boot = tx.meta.get(BOOT_KEY) == self._clock.boot_id
            tx.meta.set(BOOT_KEY, self._clock.boot_id)
            if not same_boot:
                _lose(tx, self._clock, self._policy, tx.messages.leased())
                _close_turns(tx, self._clock, None, None)
            return tx.messages.leased()

        holders = await self._store.write(change, essential=True)
        open_turns = await self._store.read(lambda tx: tx.turns.open())
        for agent_id, instance in {(d.recipient_id, d.instance or "") for d in holders} | {
            (t.agent_id, t.instance) for t in open_turns
        }:
            self.touch(agent_id, instance)

    async def run(self) -> None:
        """End leases as their deadlines pass. Owned by the service, cancelled at its end."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            now = loop.time()
            for holder, until in list(self._deadlines.items()):
                if until <= now:
                    await self.lose(*holder)
            nearest = min(self._deadlines.values(), default=None)
            try:
                async with asyncio.timeout_at(nearest):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def lose(self, agent_id: int, instance: str, *, blame: bool = True) -> None:
        """The holder is gone: its turns are over and its messages return.

        With `blame` they count a failed attempt; an operator's stop does not.
        """

        def change(tx: Transaction) -> bool:
            held = tx.messages.leased(agent_id, instance=instance)
            if blame:
                _lose(tx, self._clock, self._policy, held)
            else:
                give_back_unchanged(tx, held, "stopped")
            return _close_turns(tx, self._clock, agent_id, instance) or bool(held)

        self._deadlines.pop((agent_id, instance), None)
        await self._store.write(change, essential=True)

    async def lose_all(self, agent_id: int, *, keep: str | None = None, blame: bool = True) -> None:
        """Like `lose` for every holder of this agent but `keep`."""
        held = await self._store.read(lambda tx: tx.messages.leased(agent_id))
        turns = await self._store.read(lambda tx: tx.turns.open(agent_id))
        instances = {d.instance for d in held if d.instance} | {t.instance for t in turns}
        for instance in instances - {keep}:
            await self.lose(agent_id, instance, blame=blame)


# --- inside a transaction ---


def lease_waiting(
    tx: Transaction,
    clock: Clock,
    agent_id: int,
    instance: str,
    turn: str | None,
    limit: int,
    max_bytes: int,
) -> list[Delivery]:
    waiting = tx.messages.leasable(agent_id, clock, limit, max_bytes)
    if waiting:
        ids = [d.id for d in waiting]
        tx.messages.lease(ids, instance, turn)
        data = {"deliveries": ids, "as": "leased"}
        tx.events.append("settled", waiting[0].recipient, data, clock.now())
    return waiting


def give_back_unchanged(tx: Transaction, deliveries: Sequence[Delivery], outcome: str) -> None:
    for delivery in deliveries:
        tx.messages.give_back(delivery.id, delivery.attempt, None, outcome)


def fail_attempt(
    tx: Transaction, clock: Clock, policy: Policy, deliveries: Sequence[Delivery], outcome: str
) -> None:
    """Try again after a back-off, or put aside as a dead letter that the operator is shown."""
    for delivery in deliveries:
        if delivery.attempt >= policy.mail.attempts:
            tx.messages.settle([delivery.id], "dead", outcome, clock.now())
            data = {"agent": delivery.recipient, "id": delivery.message.id, "reason": outcome}
            tx.events.append("dead_letter", delivery.recipient, data, clock.now())
            notify(tx, clock, None, "dead_letter", data)
            continue
        pauses = policy.mail.backoff_seconds
        pause = pauses[min(delivery.attempt, len(pauses)) - 1]
        tx.messages.give_back(delivery.id, delivery.attempt + 1, deadline_in(clock, pause), outcome)


def _lose(tx: Transaction, clock: Clock, policy: Policy, deliveries: Sequence[Delivery]) -> None:
    fail_attempt(tx, clock, policy, deliveries, "the agent's process ended")


def _close_turns(tx: Transaction, clock: Clock, agent_id: int | None, instance: str | None) -> bool:
    closed = False
    for turn in tx.turns.open(agent_id):
        if instance is None or turn.instance == instance:
            tx.turns.save(replace(turn, state="lost", ended_at=clock.now()))
            agent = tx.agents.get(turn.agent_id)
            data = {"turn": turn.id, "result": "lost"}
            tx.events.append("turn_ended", agent.name if agent else None, data, clock.now())
            closed = True
    return closed
