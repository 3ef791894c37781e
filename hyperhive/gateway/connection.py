"""HTTP on one connection, quiet about what hostile clients send."""

from __future__ import annotations

import logging

from aiohttp import web

from hyperhive.protocol.wire import dumps

log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """Answers malformed HTTP in JSON, without a traceback in the log and a name in the header."""

    __slots__ = ()

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
