"""Rows that concern the operator and the service itself: audit log, logins, single values."""

from __future__ import annotations

import sqlite3
from typing import Literal

from hyperhive.hive.clock import Clock, passed
from hyperhive.hive.records import AuditEntry, Deadline
from hyperhive.store.columns import NEWEST, from_deadline


class Audit:
    """The table's triggers refuse to edit or delete."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, actor: str, action: str, subject: str, detail: str, now: float) -> None:
        self._connection.execute(
            "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
            (now, actor, action, subject, detail),
        )

    def recent(self, limit: int = 100, before: int | None = None) -> list[AuditEntry]:
        rows = self._connection.execute(
            "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
            (NEWEST if before is None else before, limit),
        )
        return [AuditEntry(*row) for row in rows.fetchall()]

    def denied(self, agent: str, since: float, limit: int) -> list[AuditEntry]:
        rows = self._connection.execute(
            "SELECT * FROM audit WHERE action = 'egress_denied' AND actor = ? AND at >= ?"
            " ORDER BY id DESC LIMIT ?",
            (agent, since, limit),
        )
        return [AuditEntry(*row) for row in rows.fetchall()]


class Logins:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, digest: bytes, kind: Literal["code", "session"], expires: Deadline) -> None:
        self._connection.execute(
            "INSERT INTO logins (digest, kind, expires_wall, expires_boot, expires_boottime)"
            " VALUES (?, ?, ?, ?, ?)",
            (digest, kind, *from_deadline(expires)),
        )

    def take(self, digest: bytes, kind: Literal["code"], clock: Clock) -> bool:
        taken = self._connection.execute(
            "DELETE FROM logins WHERE digest = ? AND kind = ?"
            " RETURNING expires_wall, expires_boot, expires_boottime",
            (digest, kind),
        ).fetchall()
        return any(not passed(Deadline(*row), clock) for row in taken)

    def valid(self, digest: bytes, clock: Clock) -> bool:
        row = self._connection.execute(
            "SELECT expires_wall, expires_boot, expires_boottime FROM logins"
            " WHERE digest = ? AND kind = 'session'",
            (digest,),
        ).fetchone()
        return row is not None and not passed(Deadline(*row), clock)

    def remove(self, digest: bytes) -> None:
        self._connection.execute("DELETE FROM logins WHERE digest = ?", (digest,))

    def remove_expired(self, clock: Clock) -> None:
        rows = self._connection.execute(
            "SELECT digest, expires_wall, expires_boot, expires_boottime FROM logins"
        ).fetchall()
        for digest, *expires in rows:
            if passed(Deadline(*expires), clock):
                self.remove(digest)


class Meta:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def set(self, key: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)"
            " ON CONFLICT (key) DO UPDATE SET value = ?2",
            (key, value),
        )
