"""Accepts connections on one agent's socket: who may come in, and how many at once."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from hyperhive.gateway.app import AgentApp
from hyperhive.gateway.connection import Connection
from hyperhive.gateway.limits import Limits
from hyperhive.gateway.line import Line
from hyperhive.gateway.listener import listen, peer_uid
from hyperhive.gateway.rate import TokenBucket

log = logging.getLogger(__name__)

SHORTAGE_PAUSE = 0.5
"""Seconds without accepting after the host ran out of descriptors or memory."""
WARNING_PAUSE = 60.0
"""Seconds between two warnings about refused peers of one agent."""
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_GRACE = 0.2
_SILENT = logging.getLogger(f"{__name__}.access")
_SILENT.disabled = True


class Door:
    """One agent's socket, from `open` to `close`."""

    def __init__(
        self,
        line: Line,
        app: AgentApp,
        allowed: Callable[[str, int], bool],
        limits: Limits,
    ) -> None:
        self.line = line
        self._app = app
        self._allowed = allowed
        self._limits = limits
        self._accepts = TokenBucket(limits.accepts_per_second, 2 * limits.connections)
        self._runner = web.AppRunner(
            app.make(), access_log=None, shutdown_timeout=_GRACE, handler_cancellation=True
        )
        self._listener: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._short = False
        self._warn_after = 0.0

    async def open(self, directory: Path) -> None:
        """Raises Unavailable."""
        self._listener = listen(directory)
        await self._runner.setup()
        name = self.line.caller.name
        self._task = asyncio.create_task(self._accept_all(self._listener), name=f"door-{name}")

    async def close(self) -> None:
        """No more connections, and none left; the socket's file stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        await self.line.close()
        await self._app.handlers.cancel()
        await self._runner.cleanup()

    async def _accept_all(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
                self._short = False
                await self._admit(loop, connection)
            except OSError as error:
                await self._bear(error)
            except Exception:
                # A door that gave up would shut the agent out for good.
                log.exception("%s: a connection failed unexpectedly", self.line.caller.name)
            # Without a pause a queue of refused connections would have the loop for itself.
            await asyncio.sleep(self._accepts.take())

    async def _admit(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        server = self._runner.server
        assert server is not None
        try:
            problem = self._problem(connection, server)
        except BaseException:
            connection.close()
            raise
        if problem:
            connection.close()
            self._warn(problem)
            return
        await loop.connect_accepted_socket(
            lambda: Connection(
                server,
                self._app.tunnel,
                loop=loop,
                access_log=_SILENT,
                tcp_keepalive=False,
                auto_decompress=False,
                keepalive_timeout=self._limits.idle_seconds,
                lingering_time=1.0,
            ),
            connection,
        )

    def _problem(self, connection: socket.socket, server: web.Server) -> str | None:
        uid = peer_uid(connection)
        if not self._allowed(self.line.caller.name, uid):
            return f"a peer with uid {uid} is not this agent"
        if len(server.connections) >= self._limits.connections:
            return f"{self._limits.connections} connections are open"
        return None

    def _warn(self, problem: str) -> None:
        if time.monotonic() >= self._warn_after:
            self._warn_after = time.monotonic() + WARNING_PAUSE
            log.warning("%s: connection refused: %s", self.line.caller.name, problem)

    async def _bear(self, error: OSError) -> None:
        """The connection stays in the kernel's queue, so that trying at once would be a loop."""
        if error.errno not in _SHORTAGES:
            log.debug("%s: accept: %s", self.line.caller.name, error)
            return
        if not self._short:
            log.error("%s: cannot accept connections: %s", self.line.caller.name, error)
        self._short = True
        await asyncio.sleep(SHORTAGE_PAUSE)
