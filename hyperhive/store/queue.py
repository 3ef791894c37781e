"""Rows of deliveries: the queue of every recipient."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from hyperhive.hive.clock import Clock, passed
from hyperhive.hive.records import Deadline, Delivery, DeliveryState, Message
from hyperhive.store.columns import from_deadline, ids_json, to_deadline

Row = tuple[Any, ...]


class Queue:
    """What waits is found through indexes of what waits alone, however long the history is.

    For that queries say `settled_at IS NULL` besides the state, and where SQLite, which keeps no
    statistics here, would choose another index they name theirs.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def undelivered(self, recipient_id: int) -> int:
        row = self._connection.execute(
            "SELECT n FROM counters WHERE id = ?", (recipient_id,)
        ).fetchone()
        return row[0] if row else 0

    def repeats(self, recipient_id: int, coalesce: str) -> list[int]:
        return self._ids(
            "SELECT id FROM deliveries WHERE recipient_id = ? AND settled_at IS NULL"
            " AND coalesce = ? AND coalesce != '' AND state = 'accepted' AND system ORDER BY id",
            *(recipient_id, coalesce),
        )

    def leasable(
        self, recipient_id: int, clock: Clock, limit: int, max_bytes: int
    ) -> list[Delivery]:
        rows = self._connection.execute(
            "SELECT * FROM delivery_rows WHERE recipient_id = ? AND settled_at IS NULL"
            " AND state = 'accepted' ORDER BY id",
            (recipient_id,),
        )
        ready = (_delivery(row) for row in rows if _may_be_leased(row, clock))
        taken: list[Delivery] = []
        for delivery in ready:
            max_bytes -= len(delivery.message.body.encode())
            if len(taken) == limit or (taken and max_bytes < 0):
                break
            taken.append(delivery)
        rows.close()
        return taken

    def next_leasable(self, recipient_id: int) -> Deadline | None:
        rows = self._connection.execute(
            "SELECT not_before_wall, not_before_boot, not_before_boottime FROM deliveries"
            " WHERE recipient_id = ? AND settled_at IS NULL AND state = 'accepted'"
            " AND not_before_boot IS NOT NULL",
            (recipient_id,),
        )
        ends = [Deadline(*row) for row in rows.fetchall()]
        same_boot = len({end.boot_id for end in ends}) == 1
        return min(ends, key=lambda end: end.boottime if same_boot else end.wall, default=None)

    def lease(self, ids: Sequence[int], instance: str, turn: str | None) -> None:
        self._connection.execute(
            "UPDATE deliveries SET state = 'leased', instance = ?, turn = ?"
            " WHERE id IN (SELECT value FROM json_each(?)) AND state = 'accepted'",
            (instance, turn, ids_json(ids)),
        )

    def leased(
        self, recipient_id: int | None = None, turn: str | None = None, instance: str | None = None
    ) -> list[Delivery]:
        if turn is not None:
            rows = self._deliveries(
                "SELECT * FROM delivery_rows WHERE state = 'leased' AND turn = ? ORDER BY id", turn
            )
        elif recipient_id is not None:
            rows = self._deliveries(
                "SELECT * FROM delivery_rows WHERE recipient_id = ? AND settled_at IS NULL"
                " AND state = 'leased' ORDER BY id",
                recipient_id,
            )
        else:
            rows = self._deliveries(
                "SELECT * FROM delivery_rows WHERE id IN (SELECT id FROM deliveries"
                "  INDEXED BY deliveries_turn WHERE state = 'leased') ORDER BY id"
            )
        return [
            delivery
            for delivery in rows
            if recipient_id in (None, delivery.recipient_id)
            and instance in (None, delivery.instance)
        ]

    def get_deliveries(self, ids: Sequence[int]) -> list[Delivery]:
        return self._deliveries(
            "SELECT * FROM delivery_rows WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            ids_json(ids),
        )

    def settle(self, ids: Sequence[int], state: DeliveryState, outcome: str, now: float) -> None:
        self._connection.execute(
            "UPDATE deliveries SET state = ?, outcome = ?, settled_at = ?"
            " WHERE id IN (SELECT value FROM json_each(?)) AND settled_at IS NULL",
            (state, outcome, now, ids_json(ids)),
        )

    def give_back(
        self, delivery_id: int, attempt: int, not_before: Deadline | None, outcome: str
    ) -> None:
        self._connection.execute(
            "UPDATE deliveries SET state = 'accepted', attempt = ?, not_before_wall = ?,"
            " not_before_boot = ?, not_before_boottime = ?, outcome = ?, instance = NULL,"
            " turn = NULL WHERE id = ? AND settled_at IS NULL",
            (attempt, *from_deadline(not_before), outcome, delivery_id),
        )

    def expired(self, clock: Clock, limit: int) -> list[Delivery]:
        # Ranges of one index, and not a condition that every waiting row would be tested with.
        return self._deliveries(
            "SELECT * FROM delivery_rows WHERE id IN ("
            "  SELECT id FROM deliveries INDEXED BY deliveries_expiring WHERE settled_at IS NULL"
            "    AND expires_boot = ?1 AND expires_boottime <= ?2 AND state = 'accepted'"
            "  UNION ALL"
            "  SELECT id FROM deliveries INDEXED BY deliveries_expiring WHERE settled_at IS NULL"
            "    AND expires_boot < ?1 AND expires_wall <= ?3 AND state = 'accepted'"
            "  UNION ALL"
            "  SELECT id FROM deliveries INDEXED BY deliveries_expiring WHERE settled_at IS NULL"
            "    AND expires_boot > ?1 AND expires_wall <= ?3 AND state = 'accepted'"
            ") ORDER BY id LIMIT ?4",
            *(clock.boot_id, clock.boottime(), clock.now(), limit),
        )

    def queued(self, recipient_id: int) -> list[int]:
        return self._ids(
            "SELECT id FROM deliveries INDEXED BY deliveries_queue"
            " WHERE recipient_id = ? AND settled_at IS NULL ORDER BY id",
            recipient_id,
        )

    def _deliveries(self, statement: str, *parameters: int | float | str) -> list[Delivery]:
        rows = self._connection.execute(statement, parameters).fetchall()
        return [_delivery(row) for row in rows]

    def _ids(self, statement: str, *parameters: int | str) -> list[int]:
        rows: Iterable[tuple[int]] = self._connection.execute(statement, parameters).fetchall()
        return [id_ for (id_,) in rows]


def _delivery(row: Row) -> Delivery:
    """From a row of the view `delivery_rows`."""
    message_id, sender_id, sender, kind, body, thread, in_reply_to, hops, sent_at = row[15:]
    message = Message(
        *(message_id, sender_id, sender, kind, body, thread, in_reply_to, hops, sent_at),
        to_deadline(row[12:15]),
    )
    id_, recipient_id, recipient, state, attempt, outcome, instance, turn, settled_at = row[:9]
    return Delivery(
        *(id_, message, recipient_id, recipient, state, attempt, outcome),
        *(instance, turn, settled_at),
    )


def _may_be_leased(row: Row, clock: Clock) -> bool:
    not_before, expires = to_deadline(row[9:12]), to_deadline(row[12:15])
    return not (not_before and not passed(not_before, clock)) and not (
        expires and passed(expires, clock)
    )
