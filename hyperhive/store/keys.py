"""Rows of idempotency keys."""

from __future__ import annotations

import sqlite3
from typing import Any

from hyperhive.store.columns import from_json, to_json


class Keys:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, sender_id: int, key: str) -> tuple[bytes, Any] | None:
        row = self._connection.execute(
            "SELECT digest, answer FROM keys WHERE sender_id = ? AND key = ?", (sender_id, key)
        ).fetchone()
        return None if row is None else (row[0], from_json(row[1]))

    def add(self, sender_id: int, key: str, digest: bytes, answer: Any, now: float) -> None:
        self._connection.execute(
            "INSERT INTO keys (sender_id, key, digest, answer, created_at) VALUES (?, ?, ?, ?, ?)",
            (sender_id, key, digest, to_json(answer), now),
        )
