"""The write-ahead log beside the database: how large it may become."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_EVERY = 0.1
"""Seconds between looks at the log's size, too short for it to grow far beyond the limit."""
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
        self._look_at = float("-inf")
        self._exceeded = False

    def exceeded(self, connection: sqlite3.Connection) -> bool:
        """Whether the log is over the limit and could not be emptied."""
        now = time.monotonic()
        if now >= self._look_at:
            over = (wal_bytes(self._database) or 0) > self._limit
            self._exceeded = over and not _emptied(connection)
            self._look_at = now + (RETRY_AFTER if self._exceeded else LOOK_EVERY)
            if self._exceeded:
                message = "%s is over %d bytes: another program keeps reading the database"
                log.warning(message, wal_path(self._database), self._limit)
        return self._exceeded


def _emptied(connection: sqlite3.Connection) -> bool:
    """Fold the whole log back, unless somebody still reads from it."""
    (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout:d}")
