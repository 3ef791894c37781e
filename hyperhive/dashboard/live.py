"""`GET /events`: the event log as server-sent events (HTML standard, 9.2), resumed by number."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hyperhive.dashboard.forms import number
from hyperhive.dashboard.guard import SESSION
from hyperhive.dashboard.options import HIVE
from hyperhive.dashboard.security import LOGINS, Logins
from hyperhive.hive.events import EventLog, Reset
from hyperhive.hive.records import Event
from hyperhive.hive.views import event_view
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.wire import dumps

MAX_STREAMS = 50
LOOK_SECONDS = 1.0
"""How soon a stream notices that its reader logged out or went away."""
HEARTBEAT_LOOKS = 15
"""Looks without an event after which a comment is sent, so that nobody takes it for dead."""
HEARTBEAT = b": still here\n\n"
RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser connects again."""
WRITE_SECONDS = 30.0
"""A reader that takes nothing for so long is dropped; it resumes where it was."""
MAX_TEXT = 200
"""Characters of each text in an event: enough for a line of news."""


@dataclass(eq=False, slots=True)
class Streams:
    """Every open stream: its connection, and whose session it is."""

    _open: dict[asyncio.Transport, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    @contextlib.contextmanager
    def hold(self, connection: asyncio.Transport, session: bytes) -> Iterator[None]:
        if len(self._open) >= MAX_STREAMS:
            raise Unavailable(f"there are {MAX_STREAMS} live pages already; close some")
        self._open[connection] = session
        try:
            yield
        finally:
            del self._open[connection]

    def end(self, session: bytes | None = None) -> None:
        """Cut the streams of one session, or all, even of readers that do not read."""
        for connection, whose in self._open.items():
            if session in (None, whose):
                connection.abort()


STREAMS = web.AppKey("streams", Streams)


def setup(app: web.Application) -> None:
    app[STREAMS] = Streams()
    app.on_shutdown.append(_end_all)


async def _end_all(app: web.Application) -> None:
    app[STREAMS].end()


async def events(request: web.Request) -> web.StreamResponse:
    """Events numbered above `after`, or above what the browser says it saw last."""
    log, session, connection = request.app[HIVE].events, request[SESSION], request.transport
    after = await _place(request, log)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    if connection is not None:
        with request.app[STREAMS].hold(connection, session):
            await response.prepare(request)
            await _copy(response, log, after, connection, request.app[LOGINS], session)
    return response


async def _place(request: web.Request, log: EventLog) -> int:
    seen = request.headers.get("Last-Event-ID") or request.query.get("after")
    return number(seen, "after") if seen else await log.last()


async def _copy(
    response: web.StreamResponse,
    log: EventLog,
    after: int,
    connection: asyncio.Transport,
    logins: Logins,
    session: bytes,
) -> None:
    """Until the reader is gone, takes nothing for too long, or is logged in no longer."""
    async with contextlib.aclosing(_frames(log, after)) as frames:
        async for data in frames:
            if connection.is_closing() or not await _may_go_on(data, logins, session):
                return
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    if data:
                        await response.write(data)
            except (ConnectionError, TimeoutError):
                connection.abort()
                return


async def _may_go_on(data: bytes, logins: Logins, session: bytes) -> bool:
    """Sessions end by themselves, too: looked at whenever it is quiet."""
    return data != HEARTBEAT or await logins.known(session)


async def _frames(log: EventLog, after: int) -> AsyncGenerator[bytes, None]:
    """Framed events as they come; nothing at every look, and a comment now and then."""
    yield RETRY
    looks = 0
    async with contextlib.aclosing(_follow(log, after)) as stored:
        pending = asyncio.ensure_future(anext(stored, None))
        try:
            while True:
                done, _ = await asyncio.wait([pending], timeout=LOOK_SECONDS)
                looks = 0 if done else looks + 1
                if not done:
                    yield HEARTBEAT if looks % HEARTBEAT_LOOKS == 0 else b""
                elif (data := pending.result()) is None:
                    return
                else:
                    yield data
                    pending = asyncio.ensure_future(anext(stored, None))
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)


async def _follow(log: EventLog, after: int) -> AsyncGenerator[bytes, None]:
    """Frames from `after` on; where the log has a gap, `reset` and on from the newest."""
    while True:
        try:
            async for batch in log.follow(after):
                yield b"".join(frame(e) for e in batch)
            return
        except Reset:
            after = await log.last()
            yield f"id: {after}\nevent: reset\ndata: {{}}\n\n".encode()


def frame(event: Event) -> bytes:
    """One event as one frame: JSON has no bare line ends, whatever is in the data."""
    view = event_view(event)
    text = dumps({**view, "data": _short(view["data"])})
    return f"id: {event.seq}\ndata: {text}\n\n".encode()


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
    if isinstance(value, dict):
        return {name: _short(item) for name, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value
