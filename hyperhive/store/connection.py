"""One SQLite connection on a thread of its own, to which whole functions are handed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Generic, ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W")


class ConnectionThread(Generic[W]):
    """Functions run one after the other; a caller that is cancelled stops waiting, not running.

    `worker` works on the connection: it is made on the thread, and its methods are run there.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], work: Callable[[sqlite3.Connection], W]
    ) -> None:
        self._connect = connect
        self._work = work
        self._aiosqlite = aiosqlite.Connection(self._connected, iter_chunk_size=1)
        self._failure: Exception | None = None
        self.worker: W

    async def start(self) -> None:
        """Raises what `connect` raises; the thread has ended then."""
        _ = await self._aiosqlite
        if self._failure is not None:
            await self.close()
            raise self._failure

    def submit(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        # The public methods run statement by statement: other tasks' statements would come in
        # between, and each would cost two changes of threads.
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._aiosqlite._tx.put_nowait((result, partial(function, *args, **kwargs)))
        return result

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.submit(function, *args, **kwargs)

    async def close(self) -> None:
        await self._aiosqlite.close()

    def _connected(self) -> sqlite3.Connection:
        try:
            connection = self._connect()
            self.worker = self._work(connection)
        except Exception as error:
            # Raised here, it would leave nobody waiting for the end of the thread.
            self._failure = error
            return sqlite3.connect(":memory:")
        return connection
