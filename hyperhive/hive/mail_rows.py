"""The part of the store port that keeps messages and who they go to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hyperhive.hive.clock import Clock
from hyperhive.hive.records import Deadline, Delivery, DeliveryState, Message
from hyperhive.protocol.model import MessageKind


class MessageRows(Protocol):
    def add(
        self,
        sender_id: int,
        sender: str,
        kind: MessageKind,
        body: str,
        thread: int | None,
        in_reply_to: int | None,
        hops: int,
        expires: Deadline | None,
        now: float,
        coalesce: str = "",
    ) -> int:
        """Store a message and return its id; without `thread` it begins its own."""

    def get(self, message_id: int) -> Message | None: ...

    def concerns(self, message_id: int, agent_id: int) -> bool:
        """Whether the agent sent or received the message."""

    def deliver(
        self, message_id: int, recipient_id: int, recipient: str, state: DeliveryState = "accepted"
    ) -> int:
        """Add a recipient; returns the delivery's id."""

    def undelivered(self, recipient_id: int) -> int:
        """How many deliveries are accepted or leased; `system` mail is not counted."""

    def repeats(self, recipient_id: int, coalesce: str) -> list[int]:
        """Deliveries of `system` mail with this coalescing key, accepted and not yet leased."""

    def leasable(
        self, recipient_id: int, clock: Clock, limit: int, max_bytes: int
    ) -> list[Delivery]:
        """Accepted deliveries whose back-off and expiry allow it, oldest first.

        At most `limit`, and at most `max_bytes` of bodies, but always one if there is one.
        """

    def next_leasable(self, recipient_id: int) -> Deadline | None:
        """The earliest end of a back-off among the accepted deliveries, or None."""

    def lease(self, ids: Sequence[int], instance: str, turn: str | None) -> None: ...

    def leased(
        self, recipient_id: int | None = None, turn: str | None = None, instance: str | None = None
    ) -> list[Delivery]:
        """Leased deliveries, narrowed by whatever is given; oldest first."""

    def get_deliveries(self, ids: Sequence[int]) -> list[Delivery]: ...

    def settle(self, ids: Sequence[int], state: DeliveryState, outcome: str, now: float) -> None:
        """Leave the queue for good: acked, dead, expired or undeliverable."""

    def give_back(
        self, delivery_id: int, attempt: int, not_before: Deadline | None, outcome: str
    ) -> None:
        """Back to accepted, to be leased again as `attempt`, not before the back-off ends."""

    def expired(self, clock: Clock, limit: int) -> list[Delivery]:
        """Accepted deliveries whose message's deadline has passed."""

    def queued(self, recipient_id: int) -> list[int]:
        """Ids of all accepted and leased deliveries of a recipient, system mail included."""

    def recent(
        self, agent_id: int | None = None, *, limit: int = 50, before: int | None = None
    ) -> list[Delivery]:
        """Newest first; with `agent_id` only what this agent sent or received.

        `before` is a delivery id to page on. With OPERATOR_ID: the operator's own conversation.
        """

    def inbox(self, recipient_id: int, *, limit: int = 50) -> list[Delivery]:
        """Deliveries to one recipient, newest first."""

    def in_state(self, state: DeliveryState, limit: int = 100) -> list[Delivery]:
        """Newest first, e.g. the dead letters."""
