"""HTTP on one connection, quiet about what hostile clients send, and where a tunnel begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hyperhive.gateway.egress_targets import CONNECT
from hyperhive.protocol.wire import dumps

log = logging.getLogger(__name__)

BUFFER_BYTES = 32 * 1024
"""Of a tunnel in one direction; twice as much waits at most before reading stops."""

OnTunnel = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class Connection(web.RequestHandler):
    """Answers malformed HTTP in JSON, without a traceback in the log and a name in the header.

    A connection that begins with CONNECT is given to `on_tunnel` from its first byte on: what
    follows the head is not HTTP. It still counts as a connection of the server, and ends with it.
    """

    __slots__ = ("_first", "_on_tunnel", "_tunnel")

    def __init__(self, manager: web.Server, on_tunnel: OnTunnel, **options: Any) -> None:
        super().__init__(manager, **options)
        self._on_tunnel = on_tunnel
        self._first: bytes | None = b""
        """What came so far while it can still be either, then None."""
        self._tunnel: asyncio.StreamReaderProtocol | None = None

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            data = self._first + data
            if CONNECT.startswith(data):
                self._first = data
                return
            self._first = None
            if data.startswith(CONNECT):
                self._begin_tunnel()
        if self._tunnel is not None:
            self._tunnel.data_received(data)
        else:
            super().data_received(data)

    def _begin_tunnel(self) -> None:
        self.keep_alive(False)  # no longer ends it for being quiet
        loop, transport = asyncio.get_running_loop(), self.transport
        assert isinstance(transport, asyncio.Transport)
        reader = asyncio.StreamReader(BUFFER_BYTES, loop)
        self._tunnel = asyncio.StreamReaderProtocol(reader, loop=loop)
        self._tunnel.connection_made(transport)
        self._on_tunnel(reader, asyncio.StreamWriter(transport, self._tunnel, reader, loop))

    def eof_received(self) -> bool | None:  # type: ignore[override]  # as in asyncio.Protocol
        if self._tunnel is not None:
            return self._tunnel.eof_received()
        super().eof_received()
        return None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._tunnel is not None:
            self._tunnel.pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._tunnel is not None:
            self._tunnel.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._tunnel is not None:
            self._tunnel.connection_lost(exc if isinstance(exc, Exception) else None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500 and not isinstance(exc, ConnectionError):
            log.error("a request failed outside its handler", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer was sent already")
        error = {"code": "invalid_frame", "message": "not acceptable HTTP"}
        response = web.Response(
            status=status,
            text=dumps({"error": error}),
            content_type="application/json",
            headers={"Server": "hyperhive"},
        )
        response.force_close()
        return response
