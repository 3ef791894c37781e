"""A stand-in for the Messages API that a test drives byte by byte, strict about credentials."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SECRET = "sk-real-secret-key"
CREDENTIALS = {
    "api_key": {"x-api-key": SECRET},
    "oauth_token": {"authorization": f"Bearer {SECRET}"},
}
PLACEHOLDERS = {
    "api_key": {"x-api-key": "placeholder"},
    "oauth_token": {"authorization": "Bearer placeholder"},
}

Json = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


_LOG = logging.getLogger(__name__)
_LOG.disabled = True  # that its clients leave is what it is there for


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Json


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def stream(
    text: str = "hi",
    *,
    start: Mapping[str, object] | None = None,
    end: Mapping[str, object] | None = None,
) -> list[bytes]:
    """The events of one answer."""
    usage = {"input_tokens": 10, "output_tokens": 1} if start is None else start
    delta = {"type": "text_delta", "text": text}
    block = {"type": "text", "text": ""}
    return [
        event("message_start", message={"id": "msg_1", "usage": usage}),
        event("content_block_start", index=0, content_block=block),
        event("content_block_delta", index=0, delta=delta),
        event("content_block_stop", index=0),
        event("message_delta", delta={}, usage=end or {"output_tokens": 20}),
        event("message_stop"),
    ]


@dataclass
class StandIn:
    """Listens on a loopback port; `pieces` is what it sends, `answer` replaces all of it."""

    credential_kind: str = "api_key"
    pieces: list[bytes] = field(default_factory=stream)
    answer: Answer | None = None
    seen: list[Seen] = field(default_factory=list)
    wrong_credentials: list[Mapping[str, str]] = field(default_factory=list)
    hold_after: int | None = None
    """After this many pieces the stream waits for `go_on`."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client went away in the middle of an answer."""
    url: str = ""

    async def __aenter__(self) -> StandIn:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None, logger=_LOG
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        raw = await request.read()
        self.seen.append(Seen(request.path_qs, headers, json.loads(raw) if raw else {}))
        found = {n: v for n, v in headers.items() if n in ("x-api-key", "authorization")}
        if found != CREDENTIALS[self.credential_kind]:
            self.wrong_credentials.append(found)
            return failure(401, "authentication_error", "invalid or mixed credentials")
        try:
            return await (self.answer or self._stream)(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, piece in enumerate(self.pieces):
            if number == self.hold_after:
                await self.go_on.wait()
            await response.write(piece)
        return response


def failure(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return web.json_response(body, status=status, headers=headers)


def always(response: Callable[[], web.StreamResponse]) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return response()

    return answer
