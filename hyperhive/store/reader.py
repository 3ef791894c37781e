"""Queries, each on a snapshot of its own; on a reader's thread."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from hyperhive.hive.ports import Transaction
from hyperhive.store.failures import deliverable, error_code, typed
from hyperhive.store.transaction import rows_of

T = TypeVar("T")

STEPS = 10_000
"""Instructions of SQLite's virtual machine, about a millisecond, between looks at the clock."""


class Reader:
    def __init__(self, connection: sqlite3.Connection, seconds: float) -> None:
        self._connection = connection
        self._rows = rows_of(connection)
        self._seconds = seconds
        self._until = 0.0
        connection.set_progress_handler(self._overdue, STEPS)

    def run(self, query: Callable[[Transaction], T]) -> T:
        """Raises Busy or StorageError in place of SQLite's own errors, where the query is sound."""
        self._until = time.monotonic() + self._seconds
        try:
            self._connection.execute("BEGIN")
            return query(self._rows)
        except sqlite3.Error as error:
            if error_code(error) == sqlite3.SQLITE_READONLY:  # the query's mistake, not the disk's
                raise
            raise typed(error) or deliverable(error) from None
        except StopIteration as error:
            raise deliverable(error) from None
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()

    def _overdue(self) -> bool:
        return time.monotonic() > self._until
