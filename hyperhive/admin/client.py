"""Calls the verbs of `admin.sock`."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from hyperhive.admin.remote_terminal import RemoteTerminal
from hyperhive.protocol.errors import Unavailable, from_json
from hyperhive.protocol.terminal import MAX_FRAME

_FAILURES = (TimeoutError, aiohttp.ClientError, OSError)
_MAX_LINE = 1024 * 1024
"""Bytes of the longest event."""
_PING_SECONDS = 30.0
_CLOSE_SECONDS = 2.0

CALL_SECONDS = 200.0
"""Longer than the longest verb, a `debug_recv` that waits."""


class NoService(Unavailable):
    """Nobody answers at the socket; the message names it and the remedy."""


class AdminClient(AbstractAsyncContextManager["AdminClient"]):
    """One connection pool to one service. Raises RemoteError with the service's own words."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AdminClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(self._socket)),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            read_bufsize=_MAX_LINE,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """One verb. Raises NoService when no service answers."""
        assert self._session is not None, "use it as an async context manager"
        try:
            async with self._session.post(f"http://admin/v1/{verb}", json=arguments) as response:
                return self._unwrap(await response.read())
        except _FAILURES as error:
            raise self._no_service(error) from None

    async def events(self, after: int | None = None) -> AsyncGenerator[dict[str, Any], None]:
        """Events from the one after `after` on (default: from now), for ever.

        A last item `{"reset": true}` says that the place is no longer in the log.
        """
        assert self._session is not None, "use it as an async context manager"
        query = {} if after is None else {"after": str(after)}
        forever = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with self._session.get(
                "http://admin/v1/events", params=query, timeout=forever
            ) as response:
                if response.status != 200:
                    self._unwrap(await response.read())
                async for line in response.content:
                    event = self._unwrap(line)
                    yield event
                    if event.get("reset"):
                        return
                raise NoService(f"the hyperhive service at {self._socket} has ended")
        except _FAILURES as error:
            raise self._no_service(error) from None

    @asynccontextmanager
    async def terminal(
        self, name: str, user: str, rows: int, columns: int
    ) -> AsyncIterator[RemoteTerminal]:
        """A new terminal of an agent. What is refused is raised by its first `read`."""
        assert self._session is not None, "use it as an async context manager"
        try:
            socket = await self._session.ws_connect(
                f"http://admin/v1/shell/{name}",
                params={"user": user, "rows": str(rows), "columns": str(columns)},
                max_msg_size=MAX_FRAME + 1,  # aiohttp refuses what is as long
                heartbeat=_PING_SECONDS,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            )
        except _FAILURES as error:
            raise self._no_service(error) from None
        terminal = RemoteTerminal(socket)
        try:
            yield terminal
        finally:
            await terminal.close()

    def _unwrap(self, data: bytes) -> dict[str, Any]:
        """The answer, or the error in it as an exception."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise NoService(f"what answers at {self._socket} is not hyperhive; see --socket")
        if isinstance(document.get("error"), dict):
            raise from_json(document["error"])
        return document

    def _no_service(self, error: BaseException) -> NoService:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        number = cause.errno if isinstance(cause, OSError) else None
        said = os.strerror(number) if number else str(cause) or type(cause).__name__
        if number in (errno.EACCES, errno.EPERM):
            remedy = "only its owner may use it, and the members of the group hyperhive-admin"
        else:
            remedy = "is one running (`hyperhive serve`), and is this its socket (--socket)?"
        return NoService(f"no hyperhive service answers at {self._socket}: {said}; {remedy}")
