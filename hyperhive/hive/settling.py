"""Messages lent to a holder and taken back from it, inside whatever transaction it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hyperhive.hive.clock import Clock, deadline_in
from hyperhive.hive.mail import notify
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Delivery, Turn


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


def end_leases(
    tx: Transaction,
    clock: Clock,
    policy: Policy,
    agent_id: int | None = None,
    *,
    instance: str | None = None,
    keep: str | None = None,
    blame: bool = True,
) -> None:
    """The holders are gone, narrowed by what is given: their turns are over, their mail returns.

    `keep` is an instance that is still there. With `blame` the messages count a failed attempt.
    """

    def gone(holder: str | None) -> bool:
        return instance in (None, holder) and (keep is None or holder != keep)

    held = [d for d in tx.messages.leased(agent_id) if gone(d.instance)]
    if blame:
        fail_attempt(tx, clock, policy, held, "the agent's process ended")
    else:
        give_back_unchanged(tx, held, "stopped")
    for turn in tx.turns.open(agent_id):
        if gone(turn.instance):
            _close_turn(tx, clock, turn)


def _close_turn(tx: Transaction, clock: Clock, turn: Turn) -> None:
    tx.turns.save(replace(turn, state="lost", ended_at=clock.now()))
    agent = tx.agents.get(turn.agent_id)
    data = {"turn": turn.id, "result": "lost"}
    tx.events.append("turn_ended", agent.name if agent else None, data, clock.now())
