"""Rows of the event log."""

from __future__ import annotations

import sqlite3
from typing import Any

from hyperhive.hive.records import Event
from hyperhive.store.columns import NEWEST, from_json, to_json

FLOOR_KEY = "store.events_floor"
"""Row of `meta` with the highest number that retention has removed."""


class Events:
    """`fresh` collects what the running transaction appends, for publication after its commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.fresh: list[Event] = []

    def append(self, kind: str, agent: str | None, data: dict[str, Any], now: float) -> int:
        cursor = self._connection.execute(
            "INSERT INTO events (at, kind, agent, data) VALUES (?, ?, ?, ?)",
            (now, kind, agent, to_json(data)),
        )
        assert cursor.lastrowid is not None
        self.fresh.append(Event(cursor.lastrowid, now, kind, agent, data))
        return cursor.lastrowid

    def after(self, seq: int, limit: int, agent: str | None = None) -> list[Event]:
        if agent is None:
            return self._events(
                "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit
            )
        # By number: those who follow are near the end, and every event would pay for an index.
        return self._events(
            "SELECT * FROM events WHERE seq > ? AND agent = ? ORDER BY seq LIMIT ?",
            *(seq, agent, limit),
        )

    def last(self) -> int:
        (last,) = self._connection.execute("SELECT max(seq) FROM events").fetchone()
        return last or 0

    def floor(self) -> int:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE key = ?", (FLOOR_KEY,)
        ).fetchone()
        return int(row[0]) if row else 0

    def turn_log(self, agent: str, limit: int, before: int | None = None) -> list[Event]:
        return self._events(
            "SELECT * FROM events WHERE agent = ? AND kind GLOB 'turn_*' AND seq < ?"
            " ORDER BY seq DESC LIMIT ?",
            *(agent, NEWEST if before is None else before, limit),
        )

    def crashes(self, agent: str, since: float) -> list[Event]:
        return self._events(
            "SELECT * FROM events WHERE kind = 'crash' AND agent = ? AND at >= ? ORDER BY seq",
            *(agent, since),
        )

    def _events(self, statement: str, *parameters: int | float | str) -> list[Event]:
        rows = self._connection.execute(statement, parameters).fetchall()
        return [Event(seq, at, kind, agent, from_json(data)) for seq, at, kind, agent, data in rows]
