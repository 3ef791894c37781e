"""Rows of messages, and lists of their deliveries for people."""

from __future__ import annotations

from hyperhive.hive.records import Deadline, Delivery, DeliveryState, Message
from hyperhive.protocol.model import MessageKind
from hyperhive.store.columns import NEWEST, from_deadline, to_deadline
from hyperhive.store.queue import Queue


class Messages(Queue):
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
        cursor = self._connection.execute(
            "INSERT INTO messages (sender_id, sender, kind, thread, in_reply_to, hops, sent_at,"
            " expires_wall, expires_boot, expires_boottime, coalesce, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(sender_id, sender, kind, thread, in_reply_to, hops, now),
                *(*from_deadline(expires), coalesce, body),
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def get(self, message_id: int) -> Message | None:
        row = self._connection.execute(
            "SELECT id, sender_id, sender, kind, body, ifnull(thread, id), in_reply_to, hops,"
            " sent_at, expires_wall, expires_boot, expires_boottime FROM messages WHERE id = ?",
            (message_id,),
        ).fetchone()
        if row is None:
            return None
        id_, sender_id, sender, kind, body, thread, in_reply_to, hops, sent_at, *expires = row
        return Message(
            *(id_, sender_id, sender, kind, body, thread, in_reply_to, hops, sent_at),
            to_deadline(expires),
        )

    def concerns(self, message_id: int, agent_id: int) -> bool:
        row = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND sender_id = ?2)"
            " OR EXISTS (SELECT 1 FROM deliveries WHERE message_id = ?1 AND recipient_id = ?2)",
            (message_id, agent_id),
        ).fetchone()
        return bool(row[0])

    def deliver(
        self, message_id: int, recipient_id: int, recipient: str, state: DeliveryState = "accepted"
    ) -> int:
        queued = state in ("accepted", "leased")
        cursor = self._connection.execute(
            "INSERT INTO deliveries (message_id, sender_id, system, coalesce, expires_wall,"
            " expires_boot, expires_boottime, recipient_id, recipient, state, settled_at)"
            " SELECT id, sender_id, kind = 'system', coalesce, expires_wall, expires_boot,"
            " expires_boottime, ?, ?, ?, iif(?, NULL, sent_at) FROM messages WHERE id = ?",
            (recipient_id, recipient, state, queued, message_id),
        )
        if not cursor.rowcount:
            raise LookupError(f"there is no message {message_id}")
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    # --- lists, newest first ---

    def recent(
        self, agent_id: int | None = None, *, limit: int = 50, before: int | None = None
    ) -> list[Delivery]:
        below = NEWEST if before is None else before
        if agent_id is None:
            return self._deliveries(
                "SELECT * FROM delivery_rows WHERE id < ? ORDER BY id DESC LIMIT ?", below, limit
            )
        return self._deliveries(
            "SELECT * FROM delivery_rows WHERE id IN ("
            "  SELECT * FROM (SELECT id FROM deliveries INDEXED BY deliveries_inbox"
            "    WHERE recipient_id = ?1 AND settled_at IS NOT NULL AND id < ?2"
            "    ORDER BY id DESC LIMIT ?3)"
            "  UNION SELECT * FROM (SELECT id FROM deliveries INDEXED BY deliveries_sent"
            "    WHERE sender_id = ?1 AND settled_at IS NOT NULL AND id < ?2"
            "    ORDER BY id DESC LIMIT ?3)"
            "  UNION SELECT id FROM deliveries INDEXED BY deliveries_queue"
            "    WHERE settled_at IS NULL AND (recipient_id = ?1 OR sender_id = ?1) AND id < ?2"
            "  ORDER BY id DESC LIMIT ?3"
            ") ORDER BY id DESC",
            *(agent_id, below, limit),
        )

    def inbox(self, recipient_id: int, *, limit: int = 50) -> list[Delivery]:
        return self._deliveries(
            "SELECT * FROM delivery_rows WHERE id IN ("
            "  SELECT * FROM (SELECT id FROM deliveries INDEXED BY deliveries_inbox"
            "    WHERE recipient_id = ?1 AND settled_at IS NOT NULL ORDER BY id DESC LIMIT ?2)"
            "  UNION SELECT id FROM deliveries INDEXED BY deliveries_queue"
            "    WHERE recipient_id = ?1 AND settled_at IS NULL"
            "  ORDER BY id DESC LIMIT ?2"
            ") ORDER BY id DESC",
            *(recipient_id, limit),
        )

    def in_state(self, state: DeliveryState, limit: int = 100) -> list[Delivery]:
        if state == "acked":
            return self._deliveries(
                "SELECT * FROM delivery_rows WHERE state = ? ORDER BY id DESC LIMIT ?", state, limit
            )
        if state in ("accepted", "leased"):
            return self._deliveries(
                "SELECT * FROM delivery_rows WHERE id IN ("
                "  SELECT id FROM deliveries INDEXED BY deliveries_queue"
                "  WHERE state = ? AND settled_at IS NULL ORDER BY id DESC LIMIT ?"
                ") ORDER BY id DESC",
                *(state, limit),
            )
        return self._deliveries(
            "SELECT * FROM delivery_rows WHERE state = ? AND settled_at IS NOT NULL"
            " AND state != 'acked' ORDER BY id DESC LIMIT ?",
            *(state, limit),
        )
