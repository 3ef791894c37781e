"""Accepts messages from agents and the operator, and hands waiting ones out under a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from hyperhive.hive.bells import Bells
from hyperhive.hive.clock import Clock, deadline_in, iso, remaining
from hyperhive.hive.leases import Leases
from hyperhive.hive.mail import (
    OPERATOR_ADDRESS,
    Address,
    Letter,
    Sender,
    check_hops,
    count_hops,
    once,
    post,
)
from hyperhive.hive.policy import Policy, may_write, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent, Delivery
from hyperhive.protocol.errors import Forbidden, QueueFull
from hyperhive.protocol.model import EVERYONE, OPERATOR
from hyperhive.protocol.verbs import Recv, Send

MAX_BATCH_BYTES = 128 * 1024
"""Bytes of bodies that one wake or one recv carries."""
MIN_PAUSE = 0.1
"""Seconds: mail past its back-off may yet not be leased, having expired as well."""


class Broker:
    """Sends and receives. Accepted means durable; order holds per sender and recipient."""

    def __init__(
        self, store: Store, clock: Clock, policy: Policy, leases: Leases, bells: Bells
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._leases = leases
        self._bells = bells

    async def send(self, sender: Sender, request: Send) -> dict[str, Any]:
        """Store a message; returns {id, results: [{to, status}]} once it is durable.

        Raises Forbidden for an unknown or not allowed recipient, QueueFull when nobody could take
        it, LoopDetected, and Conflict for a key that was used for something else.
        """

        def change(tx: Transaction) -> dict[str, Any]:
            return once(
                tx,
                self._clock,
                sender.id,
                request.key,
                request,
                lambda: self._accept(tx, sender, request),
            )

        return await self._store.write(change)

    def _accept(self, tx: Transaction, sender: Sender, request: Send) -> dict[str, Any]:
        agent = require(tx.agents.get(sender.id)) if sender.kind == "agent" else None
        addresses = self._addresses(tx, agent, request.to)
        if not addresses:
            raise Forbidden("there is no other agent that you may write to")
        full = [a for a in addresses if not self._has_room(tx, a)]
        taken = [a for a in addresses if a not in full]
        if not taken:
            raise QueueFull(f"{request.to} has {self._policy.mail.undelivered} unread messages")
        message_id = post(tx, self._clock, self._letter(tx, sender, request), taken)
        status = {a.name: "queue_full" for a in full} | {a.name: a.state for a in taken}
        results = [{"to": a.name, "status": status[a.name]} for a in addresses]
        return {"id": message_id, "results": results}

    def _addresses(self, tx: Transaction, agent: Agent | None, to: str) -> list[Address]:
        if to == EVERYONE:
            others = [a for a in tx.agents.all() if a.state == "present" and a != agent]
            allowed = [a for a in others if agent is None or may_write(agent, a.name)]
            return [Address(a.id, a.name) for a in allowed]
        if to == OPERATOR:
            return [OPERATOR_ADDRESS]
        recipient = tx.agents.by_name(to)
        if recipient is None or (agent is not None and not may_write(agent, to)):
            raise Forbidden(f"there is no agent {to!r} that you may write to")
        state = "accepted" if recipient.state == "present" else "undeliverable"
        return [Address(recipient.id, recipient.name, state)]  # type: ignore[arg-type]  # two of its literals

    def _has_room(self, tx: Transaction, address: Address) -> bool:
        if address.id == OPERATOR_ID or address.state != "accepted":
            return True
        return tx.messages.undelivered(address.id) < self._policy.mail.undelivered

    def _letter(self, tx: Transaction, sender: Sender, request: Send) -> Letter:
        parent = None
        if request.in_reply_to is not None:
            parent = tx.messages.get(request.in_reply_to)
            if parent is None or not tx.messages.concerns(parent.id, sender.id):
                raise Forbidden(f"there is no message {request.in_reply_to} of yours to reply to")
        hops = 0
        if sender.kind == "agent":
            hops = count_hops(tx, sender.id, parent)
            if request.to != OPERATOR:
                check_hops(hops, self._policy.mail.max_hops)
        thread = parent.thread if parent else None
        expires = deadline_in(self._clock, request.ttl_seconds) if request.ttl_seconds else None
        return Letter(sender, request.body, thread, request.in_reply_to, hops, expires)

    async def receive(self, agent_id: int, instance: str, request: Recv) -> list[dict[str, Any]]:
        """Lease waiting messages to `instance`, waiting up to `wait_seconds` for the first.

        With `request.turn` they are settled when that turn ends; without, by `request.ack`.
        """
        if request.ack or request.turn is None:
            await self._leases.acknowledge(agent_id, instance, request.ack)
        loop = asyncio.get_running_loop()
        until = loop.time() + request.wait_seconds
        with self._bells.listen(agent_id) as bell:
            while True:
                bell.clear()
                taken = await self._leases.take(
                    agent_id, instance, request.turn, request.max, MAX_BATCH_BYTES, request.key
                )
                left = until - loop.time()
                if taken.deliveries or taken.repeated or left <= 0:
                    return [message_json(d) for d in taken.deliveries]
                pause = left if taken.pause is None else max(taken.pause, MIN_PAUSE)
                await bell.wait(min(left, pause))

    async def inbox(self, limit: int = 50) -> Sequence[Delivery]:
        """The operator's mail, newest first."""
        return await self._store.read(lambda tx: tx.messages.inbox(OPERATOR_ID, limit=limit))

    async def mark_read(self, shown: Collection[int] | None = None) -> None:
        """The operator's mail is read, not leased: all of it, or the deliveries `shown`."""

        def change(tx: Transaction) -> None:
            ids = [i for i in tx.messages.queued(OPERATOR_ID) if shown is None or i in shown]
            if ids:
                tx.messages.settle(ids, "acked", "read", self._clock.now())
                tx.events.append("inbox_read", None, {}, self._clock.now())

        await self._store.write(change, essential=True)

    async def expire(self) -> int:
        """Settle messages whose own deadline has passed; returns how many."""

        def change(tx: Transaction) -> int:
            ids = [d.id for d in tx.messages.expired(self._clock, 500)]
            if ids:
                now = self._clock.now()
                tx.messages.settle(ids, "expired", "expired", now)
                tx.events.append("settled", None, {"deliveries": ids, "as": "expired"}, now)
            return len(ids)

        if not await self._store.read(lambda tx: bool(tx.messages.expired(self._clock, 1))):
            return 0
        return await self._store.write(change, essential=True)


def message_json(delivery: Delivery) -> dict[str, Any]:
    """A message as its recipient sees it; `from` and `kind` are the broker's word."""
    message = delivery.message
    return {
        "id": message.id,
        "delivery": delivery.id,
        "from": message.sender,
        "kind": message.kind,
        "attempt": delivery.attempt,
        "thread": message.thread,
        "in_reply_to": message.in_reply_to,
        "sent_at": iso(message.sent_at),
        "body": message.body,
    }


def back_off(tx: Transaction, clock: Clock, agent_id: int) -> float | None:
    """Seconds until the next message of the agent may be tried again, or None."""
    deadline = tx.messages.next_leasable(agent_id)
    return remaining(deadline, clock) if deadline else None
