"""No query walks through a table that grows: each finds its rows through an index."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from hyperhive.hive.ports import Transaction
from hyperhive.store.schema import migrate, packaged_migrations
from hyperhive.store.transaction import rows_of
from tests.store.given import StepClock

GROWING = "deliveries|messages|events|keys|turns|usage|audit|settled|other|[dm]"
WALK = re.compile(
    rf"SCAN ({GROWING})\b(?! USING (COVERING )?INDEX (deliveries_queue|deliveries_turn|turns_open))"
)

CLOCK = StepClock()

# What must be found through exactly this index: of those that fit it alone stays small.
THROUGH = {
    "undelivered": "counters USING INTEGER PRIMARY KEY",
    "repeats": "deliveries_repeats (recipient_id=? AND coalesce=?",
    "leasable": "deliveries_queue (recipient_id=? AND state=?",
    "next_leasable": "deliveries_queue (recipient_id=? AND state=?",
    "leased by turn": "deliveries_turn (turn=?",
    "leased by recipient": "deliveries_queue (recipient_id=? AND state=?",
    "leased": "deliveries_turn",
    "expired": "deliveries_expiring (expires_boot=? AND expires_boottime<?",
    "queued": "deliveries_queue (recipient_id=?",
    "recent of one": "deliveries_sent (sender_id=? AND rowid<?",
    "inbox": "deliveries_inbox (recipient_id=?",
    "in_state accepted": "deliveries_queue",
    "in_state dead": "deliveries_failed (state=?",
    "turns.open": "turns_open",
    "turns.open of one": "turns_open (agent_id=?",
    "retention.keys": "keys USING PRIMARY KEY (sender_id=? AND key=?",
    "events.turn_log": "events_turn_log (agent=?",
    "events.crashes": "events_crash (agent=? AND at>?",
    "audit.denied": "audit_denied (actor=?",
}

QUERIES: dict[str, Callable[[Transaction], object]] = {
    "keys.find": lambda tx: tx.keys.find(1, "k"),
    "messages.get": lambda tx: tx.messages.get(1),
    "messages.concerns": lambda tx: tx.messages.concerns(1, 2),
    "undelivered": lambda tx: tx.messages.undelivered(1),
    "repeats": lambda tx: tx.messages.repeats(1, "k"),
    "leasable": lambda tx: tx.messages.leasable(1, CLOCK, 32, 1000),
    "next_leasable": lambda tx: tx.messages.next_leasable(1),
    "lease": lambda tx: tx.messages.lease([1], "i", "t"),
    "leased by turn": lambda tx: tx.messages.leased(turn="t"),
    "leased by recipient": lambda tx: tx.messages.leased(1),
    "leased": lambda tx: tx.messages.leased(),
    "get_deliveries": lambda tx: tx.messages.get_deliveries([1]),
    "settle": lambda tx: tx.messages.settle([1], "acked", "", 1.0),
    "give_back": lambda tx: tx.messages.give_back(1, 2, None, ""),
    "expired": lambda tx: tx.messages.expired(CLOCK, 10),
    "queued": lambda tx: tx.messages.queued(1),
    "recent": lambda tx: tx.messages.recent(),
    "recent of one": lambda tx: tx.messages.recent(1),
    "inbox": lambda tx: tx.messages.inbox(1),
    "in_state accepted": lambda tx: tx.messages.in_state("accepted"),
    "in_state dead": lambda tx: tx.messages.in_state("dead"),
    "turns.get": lambda tx: tx.turns.get("t"),
    "turns.open": lambda tx: tx.turns.open(),
    "turns.open of one": lambda tx: tx.turns.open(1),
    "turns.recent": lambda tx: tx.turns.recent(1),
    "usage.day": lambda tx: tx.usage.day(1, "2026-01-01"),
    "usage.turn": lambda tx: tx.usage.turn("t"),
    "events.after": lambda tx: tx.events.after(1, 10),
    "events.after of one": lambda tx: tx.events.after(1, 10, "alice"),
    "events.turn_log": lambda tx: tx.events.turn_log("alice", 10),
    "events.crashes": lambda tx: tx.events.crashes("alice", 1.0),
    "audit.denied": lambda tx: tx.audit.denied("alice", 1.0, 10),
    "audit.recent": lambda tx: tx.audit.recent(),
    "retention.messages": lambda tx: tx.retention.messages(1.0, 10, 10),
    "retention.events": lambda tx: tx.retention.events(1.0, 1.0, 10, 10),
    "retention.keys": lambda tx: tx.retention.keys(1.0, 10),
}


class Recording(sqlite3.Connection):
    """Remembers what it executes."""

    statements: list[tuple[str, Any]]

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self.statements.append((statement, parameters))
        return super().execute(statement, parameters)

    def executemany(self, statement: str, parameters: Any, /) -> sqlite3.Cursor:
        self.statements.append((statement, (None,) * statement.count("?")))
        return super().executemany(statement, parameters)


def plans(query: Callable[[Transaction], object]) -> list[str]:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=Recording)
    connection.statements = []
    migrate(connection, packaged_migrations())
    connection.statements.clear()
    query(rows_of(connection))
    lines = [
        line[3]
        for statement, parameters in list(connection.statements)
        for line in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    ]
    connection.close()
    return lines


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_its_rows_through_an_index(name: str) -> None:
    lines = plans(QUERIES[name])
    assert lines, "nothing was looked at"
    assert not [line for line in lines if WALK.match(line)], lines
    assert any(THROUGH.get(name, "") in line for line in lines), lines


def test_a_walk_through_a_table_would_be_noticed() -> None:
    def walk(tx: Transaction) -> object:
        return tx.messages._deliveries(  # type: ignore[attr-defined] # the fault is planted
            "SELECT * FROM delivery_rows WHERE outcome = ?", "x"
        )

    assert [line for line in plans(walk) if WALK.match(line)]
