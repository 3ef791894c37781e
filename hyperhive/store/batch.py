"""Many changes in one transaction, each in a savepoint of its own; on the writer's thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Event
from hyperhive.protocol.errors import Busy, HiveError, StorageError, StorageFull
from hyperhive.store.failures import deliverable, typed
from hyperhive.store.lock import Lock
from hyperhive.store.reserve import Reserve
from hyperhive.store.schema import commits
from hyperhive.store.transaction import Rows, rows_of
from hyperhive.store.tuning import Tuning
from hyperhive.store.wal import WalLimit

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Change:
    """One caller's mutation, and what came of it once its batch has run."""

    run: Callable[[Transaction], Any]
    essential: bool
    durable: bool
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def settle(self) -> None:
        """Answer the caller, if it still waits. On the loop."""
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


class Batches:
    """`failed` is why nothing more is written; it never goes away again.

    After a failed fsync nobody knows which pages are on the disk, and a second fsync reports
    success without having written them (fsync(2), "NOTES" on errors): only opening the database
    anew, from what really is there, is safe.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: Lock,
        reserve: Reserve,
        wal: WalLimit,
        tuning: Tuning,
    ) -> None:
        self._connection = connection
        self._durable = self._synchronous = tuning.synchronous
        self._lock = lock
        self._rows: Rows = rows_of(connection)
        self._reserve = reserve
        self._wal = wal
        self.failed: str | None = None
        self.commits = commits(connection)

    def run(self, changes: Sequence[Change]) -> list[Event]:
        """Fill in every change's result or error; returns the events that are durable now."""
        admitted = self._admit(changes)
        events, failure = self._attempt(admitted)
        if isinstance(failure, StorageFull):
            self._reserve.release()
            _fail([change for change in admitted if not change.essential], failure)
            admitted = [change for change in admitted if change.essential]
            events, failure = self._attempt(admitted)
        if failure is not None:
            _fail(admitted, failure)
        return events

    def _admit(self, changes: Sequence[Change]) -> Sequence[Change]:
        """All changes; only the essential ones while there is little room to write."""
        refusal = self._refusal()
        if refusal is None:
            return changes
        _fail([change for change in changes if not change.essential], refusal)
        return [change for change in changes if change.essential]

    def _refusal(self) -> HiveError | None:
        self._reserve.take_again()
        if self._reserve.full:
            return StorageFull("no space left for the database; free some space on its disk")
        try:
            if self._wal.exceeded(self._connection):
                return Busy("another program keeps reading the database; stop it")
        except sqlite3.Error as error:
            return self._failure(error)
        return None

    def _attempt(self, changes: Sequence[Change]) -> tuple[list[Event], HiveError | None]:
        """One transaction; on failure nothing of it is left."""
        if self.failed is not None:
            return [], StorageError(self.failed)
        events = self._rows.events.fresh
        events.clear()
        try:
            if changes:
                self._transact(changes)
        except sqlite3.Error as error:
            return [], self._failure(error)
        return events.copy(), None

    def _failure(self, error: sqlite3.Error) -> HiveError:
        failure = typed(error) or StorageError(f"the database failed: {error}")
        if not isinstance(failure, StorageError):
            return failure
        self.failed = f"{failure.message}; nothing is written until a restart"
        log.critical(self.failed)
        return StorageError(self.failed)

    def _transact(self, changes: Sequence[Change]) -> None:
        execute = self._connection.execute
        before = self._connection.total_changes
        durable = any(change.durable for change in changes)
        self._synchronize(self._durable if durable else "NORMAL")
        try:
            execute("BEGIN IMMEDIATE")
            for change in changes:
                self._in_savepoint(change)
            # Only what a power cut leaves is counted: the lock's file must not know of more.
            wrote = durable and self._connection.total_changes > before
            if wrote:
                execute("UPDATE counters SET n = n + 1 WHERE id = -2")
            execute("COMMIT")
        except BaseException:
            # SQLite has ended the transaction by itself after some errors, not after all.
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            raise
        if wrote:
            self.commits += 1
            with contextlib.suppress(OSError):  # an older number there is no fault
                self._lock.committed(self.commits)

    def _synchronize(self, synchronous: Literal["FULL", "NORMAL"]) -> None:
        """NORMAL leaves out the sync at commit, and the next FULL one makes up for it.

        https://www.sqlite.org/pragma.html#pragma_synchronous
        """
        if synchronous != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous

    def _in_savepoint(self, change: Change) -> None:
        execute = self._connection.execute
        events = self._rows.events.fresh
        before = len(events)
        execute("SAVEPOINT change")
        try:
            change.result, change.error = change.run(self._rows), None
        except Exception as error:
            if isinstance(error, sqlite3.Error) and typed(error) is not None:
                raise
            execute("ROLLBACK TO change")
            del events[before:]
            change.result, change.error = None, deliverable(error)
        execute("RELEASE change")


def _fail(changes: Sequence[Change], failure: HiveError) -> None:
    """An exception object for each, as raising one adds to its traceback."""
    for change in changes:
        change.result, change.error = None, type(failure)(failure.message)
