"""Coming and going of the operator: a code or the token for a session, and its end."""

from __future__ import annotations

from aiohttp import web

from hyperhive.dashboard import forms, pages
from hyperhive.dashboard.actions import Done, answer_done, refused
from hyperhive.dashboard.guard import ORIGIN, SESSION, session_of
from hyperhive.dashboard.live import STREAMS
from hyperhive.dashboard.render import Failed
from hyperhive.dashboard.security import LOGINS, delete_cookie, set_cookie
from hyperhive.dashboard.terminal import HELD
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.schema import parse


async def entrance(request: web.Request) -> web.StreamResponse:
    """Who is in already needs no code: a link used before leads to the swarm."""
    if await session_of(request) is None:
        return await pages.login(request)
    # An empty fragment: else the browser takes over the code (Fetch, 4.4).
    return web.Response(status=303, headers={"Location": "/#"})


async def login(request: web.Request) -> web.StreamResponse:
    try:
        form = parse(forms.Login, await forms.read_form(request))
        session = await request.app[LOGINS].begin(form.code.strip())
    except HiveError as error:
        return await refused(request, pages.login, Failed(request.path, {}, error))
    response = answer_done(request, Done("You are logged in.", leave=True))
    set_cookie(response, request[ORIGIN], session)
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    await request.app[LOGINS].end(request[SESSION])
    request.app[STREAMS].end(request[SESSION])
    request.app[HELD].end(request[SESSION])
    response = answer_done(request, Done("You are logged out.", "/login", leave=True))
    delete_cookie(response, request[ORIGIN])
    return response
