"""The write-ahead log beside the database: how large it may become."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

log = logging.getLogger(__name__)

RETRY_AFTER = 1.0
"""Seconds between attempts to empty a log that is too large."""


def wal_path(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def wal_bytes(database: Path) -> int | None:
    """Size of the log, None when there is none."""
    try:
        return wal_path(database).stat().st_size
    except FileNotFoundError:
        return None


class WalLimit:
    """SQLite folds the log back every few megabytes, except below a reader that does not end.

    Our own readers are stopped in time; another program's is not.
    """

    def __init__(self, database: Path, limit: int) -> None:
        self._database = database
        self._limit = limit
        self._tried_at = float("-inf")

    def exceeded(self, connection: sqlite3.Connection) -> bool:
        """Whether the log is over the limit and cannot be emptied now."""
        if (wal_bytes(self._database) or 0) <= self._limit:
            return False
        if time.monotonic() - self._tried_at < RETRY_AFTER:
            return True
        self._tried_at = time.monotonic()
        busy, _, _ = _truncate(connection)
        if busy:
            message = "%s is over %d bytes: another program keeps reading the database"
            log.warning(message, wal_path(self._database), self._limit)
        return bool(busy)


def _truncate(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Checkpoint without waiting for readers."""
    (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        busy, frames, done = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return busy, frames, done
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout:d}")
