"""Carries bytes from a loopback port, where Claude Code finds its API, to the host's socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path

from hyperhive.harness.relay_peer import owner_of_connection

HOLD_SECONDS = 30.0
"""How long a new connection waits for a host that is restarting."""
IDLE_SECONDS = 900.0
"""A connection on which nothing moved for so long, in either direction, is closed."""
MAX_CONNECTIONS = 64
CHUNK = 64 * 1024

_CONNECT_SECONDS = 5.0
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_log = logging.getLogger(__name__)


class Relay:
    """Listens on 127.0.0.1 from `start` until `close`; `url` is what to give to Claude Code.

    Loopback is shared by all users of a machine, the socket speaks as this agent: a peer that is
    not of `uid` (the effective one by default) is dropped before a byte of it is passed on.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        uid: int | None = None,
        hold_seconds: float = HOLD_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._path = socket_path
        self._uid = os.geteuid() if uid is None else uid
        self._hold = hold_seconds
        self._max = max_connections
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"

    async def close(self) -> None:
        """Ends every connection; returns when no task is left."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def __aenter__(self) -> Relay:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reason := self._refusal(writer):
            _log.warning("relay: connection refused: %s", reason)
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer), name="relay connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refusal(self, writer: asyncio.StreamWriter) -> str | None:
        if len(self._tasks) >= self._max:
            return f"{self._max} are open"
        here, there = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        owner = owner_of_connection(local=there, remote=here)
        return None if owner == self._uid else f"its peer has uid {owner}, not {self._uid}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host = await self._connect(writer)
            if host is None:
                return
            try:
                await _join((reader, writer), host)
            finally:
                host[1].transport.abort()
        finally:
            writer.transport.abort()

    async def _connect(self, client: asyncio.StreamWriter) -> Stream | None:
        """None when the host did not come back in time, or the client has left meanwhile."""
        deadline, pause = time.monotonic() + self._hold, _FIRST_PAUSE
        while not client.is_closing():
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_unix_connection(self._path, limit=CHUNK)
            except OSError as error:  # TimeoutError too: the backlog of a stuck host is full
                if time.monotonic() + pause > deadline:
                    _log.warning("relay: no host on %s: %r", self._path, error)
                    return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None


async def _join(client: Stream, host: Stream) -> None:
    """Passes bytes on until both directions have ended, one has failed, or all is still."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(IDLE_SECONDS) as deadline:

            async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while chunk := await reader.read(CHUNK):
                    writer.write(chunk)
                    await writer.drain()
                    deadline.reschedule(loop.time() + IDLE_SECONDS)
                writer.write_eof()

            async with asyncio.TaskGroup() as both:
                both.create_task(pump(client[0], host[1]))
                both.create_task(pump(host[0], client[1]))
            for _, writer in (client, host):
                writer.close()
                await writer.wait_closed()  # sends what drain() left in the buffer
