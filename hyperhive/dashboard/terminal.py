"""`GET /agents/{name}/terminal`: a terminal of an agent over a WebSocket, for one session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web

from hyperhive.dashboard.guard import SESSION
from hyperhive.dashboard.options import OPTIONS
from hyperhive.dashboard.pages import path_name
from hyperhive.dashboard.security import LOGINS, Logins
from hyperhive.terminal_socket import serve

LOOK_SECONDS = 30.0
"""How soon a terminal notices that its session has expired."""


@dataclass(eq=False, slots=True)
class Held:
    """Whose session each terminal belongs to."""

    _sessions: dict[asyncio.Event, bytes] = field(default_factory=dict)

    @contextlib.contextmanager
    def hold(self, session: bytes) -> Iterator[asyncio.Event]:
        """The event is set when the session ends."""
        ended = asyncio.Event()
        self._sessions[ended] = session
        try:
            yield ended
        finally:
            del self._sessions[ended]

    def end(self, session: bytes) -> None:
        for ended, whose in self._sessions.items():
            if whose == session:
                ended.set()


HELD = web.AppKey("held", Held)


def setup(app: web.Application) -> None:
    app[HELD] = Held()


async def terminal(request: web.Request) -> web.StreamResponse:
    name, session, logins = path_name(request), request[SESSION], request.app[LOGINS]
    terminals = request.app[OPTIONS].terminals
    with request.app[HELD].hold(session) as ended:
        return await serve(
            request, terminals, name, "dashboard", lambda: _logged_out(logins, session, ended)
        )


async def _logged_out(logins: Logins, session: bytes, ended: asyncio.Event) -> str:
    """Looks, too, since sessions expire by themselves."""
    while not ended.is_set() and await logins.known(session):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await ended.wait()
    return "you are logged out"
