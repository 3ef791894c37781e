"""The message bus for as long as the service lives: connected again whenever it was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hyperhive.nspawn.bus import (
    CALL_SECONDS,
    Connection,
    GLibThread,
    OnSignal,
    Remote,
    Signal,
    system_bus_address,
)
from hyperhive.nspawn.failures import disconnected
from hyperhive.protocol.errors import Unavailable

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts to connect again; the pause doubles."""


class LastingBus:
    """Subscriptions outlive a lost connection, but not what was signalled meanwhile.

    So whoever listens must read everything afresh when `on_reconnect` calls.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._thread: GLibThread | None = None
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._subscriptions: dict[object, tuple[Signal, OnSignal]] = {}
        self._undo: dict[object, Callable[[], None]] = {}
        self._on_reconnect: list[Callable[[], None]] = []
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises Unavailable."""
        self._thread = GLibThread()
        try:
            await self._connect(self._thread)
        except BaseException:
            await self.close()
            raise
        self._keeping = asyncio.create_task(self._keep(self._thread), name="message bus")

    async def close(self) -> None:
        """Ends the thread, too. Repeatable."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        self._connected.clear()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        if self._thread is not None:
            await self._thread.close()
            self._thread = None

    async def call(
        self,
        remote: Remote,
        method: str,
        arguments: tuple[str, tuple[Any, ...]] = ("()", ()),
        reply: str = "()",
        timeout: float = CALL_SECONDS,
    ) -> tuple[Any, ...]:
        """As Connection.call; while the bus is away it waits `timeout` seconds for it first."""
        connection = await self._usable(method, timeout)
        return await connection.call(remote, method, arguments, reply, timeout)

    async def call_for_descriptors(
        self,
        remote: Remote,
        method: str,
        arguments: tuple[str, tuple[Any, ...]],
        reply: str,
        timeout: float = CALL_SECONDS,
    ) -> tuple[tuple[Any, ...], list[int]]:
        connection = await self._usable(method, timeout)
        return await connection.call_for_descriptors(remote, method, arguments, reply, timeout)

    def subscribe(self, signal: Signal, listener: OnSignal) -> Callable[[], None]:
        """Calls `listener` on the loop; returns the way to stop."""
        key = object()
        self._subscriptions[key] = signal, listener
        if self._connection is not None:
            self._undo[key] = self._connection.subscribe(signal, listener)

        def end() -> None:
            self._subscriptions.pop(key, None)
            if undo := self._undo.pop(key, None):
                undo()

        return end

    def on_reconnect(self, listener: Callable[[], None]) -> Callable[[], None]:
        self._on_reconnect.append(listener)
        return lambda: self._on_reconnect.remove(listener)

    async def _usable(self, what: str, timeout: float) -> Connection:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        if self._connection is None or not self._connected.is_set():
            raise Unavailable(disconnected(what).message)  # nothing was sent
        return self._connection

    async def _connect(self, thread: GLibThread) -> None:
        address = self._address or system_bus_address()
        self._connection = await Connection.open(thread, address, CALL_SECONDS)
        self._undo = {
            key: self._connection.subscribe(signal, listener)
            for key, (signal, listener) in self._subscriptions.items()
        }
        self._connected.set()

    async def _keep(self, thread: GLibThread) -> None:
        while True:
            assert self._connection is not None
            await self._connection.lost.wait()
            log.warning("the connection to the message bus was lost")
            self._connected.clear()
            await self._insist(thread)
            log.warning("connected to the message bus again")
            for listener in list(self._on_reconnect):
                listener()

    async def _insist(self, thread: GLibThread) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._connect(thread)
            except Unavailable as error:
                log.debug("%s", error.message)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
