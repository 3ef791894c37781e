"""The port `Store` on one SQLite file: one writer that takes whatever waits, readers beside it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Event
from hyperhive.protocol.errors import StorageError, Unavailable
from hyperhive.store.batch import Batches, Change
from hyperhive.store.connection import ConnectionThread
from hyperhive.store.lock import Lock
from hyperhive.store.opening import open_reader, open_writer
from hyperhive.store.reader import Reader
from hyperhive.store.reserve import Reserve
from hyperhive.store.tuning import Tuning
from hyperhive.store.wal import WalLimit, wal_bytes

log = logging.getLogger(__name__)
T = TypeVar("T")
Listener = Callable[[Sequence[Event]], None]

MAX_BATCH = 256
"""Changes in one transaction: more would not be faster, only later."""

READERS = 2


class Database:
    """Made by `open`, ended by `close`."""

    def __init__(self, path: Path, lock: Lock, tuning: Tuning) -> None:
        self._path = path
        self._lock = lock
        self._tuning = tuning
        self._reserve = Reserve(path, tuning.reserve_bytes)
        wal = WalLimit(path, tuning.wal_limit)
        self._writer = ConnectionThread(
            self._open_writer,
            lambda connection: Batches(connection, lock, self._reserve, wal, self._tuning),
        )
        self._readers = [
            ConnectionThread(
                lambda: open_reader(path, tuning),
                lambda connection: Reader(connection, tuning.read_seconds),
            )
            for _ in range(READERS)
        ]
        self._idle: asyncio.LifoQueue[ConnectionThread[Reader]] = asyncio.LifoQueue()
        self._waiting: deque[Change] = deque()
        self._batch: asyncio.Future[list[Event]] | None = None
        self._closing = False
        self._listeners: list[Listener] = []
        self._started = False

    @classmethod
    async def open(cls, path: Path, tuning: Tuning | None = None) -> Database:
        """Open the database, or create it in a directory where there never was one.

        Raises DatabaseRefused, whose message names the file and the remedy.
        """
        lock = Lock(path)
        database = cls(path, lock, tuning or Tuning())
        await database._start()
        return database

    async def write(
        self,
        change: Callable[[Transaction], T],
        *,
        essential: bool = False,
        durable: bool = True,
    ) -> T:
        if self._closing:
            raise Unavailable("the database is being closed")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(Change(change, essential, durable, answer))
        if self._batch is None:
            self._begin_batch()
        return await answer

    async def read(self, query: Callable[[Transaction], T]) -> T:
        if self._closing:
            raise Unavailable("the database is being closed")
        reader = await self._idle.get()
        try:
            if self._closing:
                raise Unavailable("the database is being closed")
            return await reader.run(reader.worker.run, query)
        finally:
            self._idle.put_nowait(reader)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def close(self) -> None:
        """Write what waits, fold the log into the database, let the next instance in."""
        self._closing = True
        while self._batch is not None:
            await asyncio.wait([self._batch])
        if self._started:
            self._started = False
            await self._stop()

    # --- the writer ---

    def _begin_batch(self) -> None:
        """Hand what waits to the writer's thread; what comes meanwhile is the next batch."""
        size = min(len(self._waiting), MAX_BATCH)
        changes = [self._waiting.popleft() for _ in range(size)]
        self._batch = self._writer.submit(self._writer.worker.run, changes)
        self._batch.add_done_callback(partial(self._end_batch, changes))

    def _end_batch(self, changes: list[Change], batch: asyncio.Future[list[Event]]) -> None:
        self._batch = None
        if error := batch.exception():
            log.error("a batch of changes was not written", exc_info=error)
            for change in changes:
                change.error = StorageError("the database failed; see the log")
        elif events := batch.result():
            self._publish(events)
        for change in changes:
            change.settle()
        if self._waiting:
            self._begin_batch()

    def _publish(self, events: Sequence[Event]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(events)
            except Exception:
                log.exception("a listener to events failed")

    # --- start and end ---

    def _open_writer(self) -> sqlite3.Connection:
        self._reserve.release_if_tight()
        return open_writer(self._path, self._lock, self._tuning)

    async def _start(self) -> None:
        try:
            await self._writer.start()
        except BaseException:
            self._lock.release()
            raise
        try:
            for reader in self._readers:
                await reader.start()
                self._idle.put_nowait(reader)
            await self._writer.run(self._reserve.take)
        except BaseException:
            await self._stop()
            raise
        self._started = True

    async def _stop(self) -> None:
        """The last connection to close folds the log in, unless writing has failed before."""
        batches = self._writer.worker
        if batches.failed is not None:
            await self._writer.close()
        for reader in self._readers:
            await reader.close()
        await self._writer.close()
        try:
            if batches.failed is None and not wal_bytes(self._path):
                self._lock.mark("clean", batches.commits)
        except OSError as error:
            log.error("%s: %s", self._lock.path, error.strerror)
        finally:
            self._lock.release()
