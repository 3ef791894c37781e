"""How a message enters the store, inside whatever transaction it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hyperhive.hive.clock import Clock
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import (
    OPERATOR_ID,
    SYSTEM_ID,
    Agent,
    Deadline,
    DeliveryState,
    Message,
)
from hyperhive.protocol.errors import Conflict, LoopDetected
from hyperhive.protocol.model import MANAGER, OPERATOR, SYSTEM, MessageKind
from hyperhive.protocol.wire import dumps

T = TypeVar("T")

EXCERPT = 2_000
"""Characters of a body that the event log repeats."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a message is from, as established by the surface it came in by."""

    id: int
    name: str
    kind: MessageKind


OPERATOR_SENDER = Sender(OPERATOR_ID, OPERATOR, "operator")
SYSTEM_SENDER = Sender(SYSTEM_ID, SYSTEM, "system")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message before it has an id."""

    sender: Sender
    body: str
    thread: int | None = None
    in_reply_to: int | None = None
    hops: int = 0
    expires: Deadline | None = None
    coalesce: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A recipient: an agent's row id and name, or the operator's."""

    id: int
    name: str
    state: DeliveryState = "accepted"


OPERATOR_ADDRESS = Address(OPERATOR_ID, OPERATOR)


def post(tx: Transaction, clock: Clock, letter: Letter, to: list[Address]) -> int:
    """Store one message with a delivery per recipient; returns the message's id."""
    now = clock.now()
    sender = letter.sender
    message_id = tx.messages.add(
        sender.id,
        sender.name,
        sender.kind,
        letter.body,
        letter.thread,
        letter.in_reply_to,
        letter.hops,
        letter.expires,
        now,
        letter.coalesce,
    )
    for address in to:
        tx.messages.deliver(message_id, address.id, address.name, address.state)
        data = {
            "id": message_id,
            "from": sender.name,
            "to": address.name,
            "to_id": address.id,
            "kind": sender.kind,
            "state": address.state,
            "body": letter.body[:EXCERPT],
        }
        tx.events.append("message", address.name, data, now)
    return message_id


def notify(
    tx: Transaction,
    clock: Clock,
    agent: Agent | None,
    event: str,
    data: Mapping[str, Any],
    hops: int = 0,
) -> None:
    """Send a helper event to an agent, or to the operator when there is none to tell.

    Repeats that nobody has read yet are replaced by the newest. `hops` is above 0 when another
    agent is behind it.
    """
    address = Address(agent.id, agent.name) if agent else OPERATOR_ADDRESS
    if agent and agent.state != "present":
        return
    retract(tx, clock, address.id, event, data, "coalesced")
    letter = Letter(
        SYSTEM_SENDER,
        dumps({"event": event, **data}),
        hops=hops,
        coalesce=_coalesce(event, data),
    )
    post(tx, clock, letter, [address])


def retract(
    tx: Transaction,
    clock: Clock,
    recipient_id: int,
    event: str,
    data: Mapping[str, Any],
    outcome: str,
) -> None:
    """Settle helper events that nobody has read yet and that say nothing new any more."""
    if stale := tx.messages.repeats(recipient_id, _coalesce(event, data)):
        tx.messages.settle(stale, "acked", outcome, clock.now())


def _coalesce(event: str, data: Mapping[str, Any]) -> str:
    return f"{event}:{data.get('agent', '')}:{data.get('id', '')}"


def count_hops(tx: Transaction, agent_id: int, answered: Message | None = None) -> int:
    """How many replies between agents lead to what the agent writes now.

    All that it has in hand counts: a chain of replies need not name what it replies to.
    """
    held = [d.message for d in tx.messages.leased(agent_id)]
    behind = [m for m in (answered, *held) if m and (m.kind == "agent" or m.hops)]
    return max((m.hops + 1 for m in behind), default=0)


def check_hops(hops: int, limit: int) -> None:
    """Raises LoopDetected."""
    if hops > limit:
        raise LoopDetected(
            f"{hops} replies between agents without a word from outside; "
            "ask the operator how to go on"
        )


def notify_manager(
    tx: Transaction, clock: Clock, about: str, event: str, data: Mapping[str, Any]
) -> None:
    """Tell the manager; what concerns the manager itself goes to the operator."""
    manager = None if about == MANAGER else tx.agents.by_name(MANAGER)
    notify(tx, clock, manager, event, data)


def once(
    tx: Transaction, clock: Clock, sender_id: int, key: str, arguments: object, act: Callable[[], T]
) -> T:
    """Act once per key: a repeat gets the first answer, the same key for another request Conflict.

    The answer must be JSON; it is stored in the same transaction as its effects.
    """
    # The repr of a dataclass names every field, and is a tenth of the work of asdict and JSON.
    digest = hashlib.sha256(repr(arguments).encode("utf-8", "surrogatepass")).digest()
    if found := tx.keys.find(sender_id, key):
        if found[0] != digest:
            raise Conflict("this key was used for another request")
        answer: T = found[1]
        return answer
    result = act()
    tx.keys.add(sender_id, key, digest, result, clock.now())
    return result
