"""The pages: read one moment of the swarm, show it. None of them changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast, get_args

from aiohttp import web

from hyperhive.dashboard import content
from hyperhive.dashboard.answers import json_answer
from hyperhive.dashboard.briefs import BRIEFS
from hyperhive.dashboard.forms import number
from hyperhive.dashboard.options import HIVE, OPTIONS
from hyperhive.dashboard.output import written_by
from hyperhive.dashboard.render import Failed, is_refresh, page
from hyperhive.hive.records import DeliveryState
from hyperhive.protocol.errors import InvalidField, Unavailable
from hyperhive.protocol.model import OPERATOR, check_name

Page = Callable[[web.Request, Failed | None], Awaitable[web.Response]]
"""A page that can also be shown again with a form that was refused."""

HEALTH_SECONDS = 5.0


async def swarm(request: web.Request, failed: Failed | None = None) -> web.Response:
    hive = request.app[HIVE]
    shown = await hive.store.read(lambda tx: content.swarm(hive, tx))
    briefs = await request.app[BRIEFS].of_all(hive, shown["approvals"])
    return page(request, "swarm.html", {**shown, "briefs": briefs}, failed=failed)


async def agent(request: web.Request, failed: Failed | None = None) -> web.Response:
    hive, name = request.app[HIVE], path_name(request)
    shown = await hive.store.read(lambda tx: content.agent(hive, tx, name))
    used = await request.app[OPTIONS].gauge.read([name])
    written = {} if is_refresh(request) else await written_by(request, name)
    return page(request, "agent.html", {**shown, "used": used[name], **written}, failed=failed)


async def output(request: web.Request) -> web.Response:
    """What the agent's harness wrote, for the script to show anew."""
    name = path_name(request)
    await request.app[HIVE].store.read(lambda tx: content.find_agent(tx, name))
    return page(request, "output.html", await written_by(request, name))


async def turn_log(request: web.Request) -> web.Response:
    """The lines of the log above `after`, for the script to append."""
    hive, name = request.app[HIVE], path_name(request)
    after = number(request.query.get("after", "0"), "after")
    lines = await hive.store.read(lambda tx: content.turn_log(tx, name, after))
    return page(request, "log.html", {"log": lines})


async def messages(request: web.Request) -> web.Response:
    name, state, before = _filter(request)
    shown = await request.app[HIVE].store.read(lambda tx: content.messages(tx, name, state, before))
    chosen = {"agent": name, "state": state or "", "states": get_args(DeliveryState)}
    return page(request, "messages.html", {**shown, "chosen": chosen})


def _filter(request: web.Request) -> tuple[str, DeliveryState | None, int | None]:
    query = request.query
    name, state, before = (query.get(field, "") for field in ("agent", "state", "before"))
    if name not in ("", OPERATOR):
        check_name(name, "agent")
    if state and state not in get_args(DeliveryState):
        raise InvalidField("state", f"must be one of {', '.join(get_args(DeliveryState))}")
    return name, cast(DeliveryState, state) or None, number(before, "before") if before else None


async def audit(request: web.Request) -> web.Response:
    before = request.query.get("before")
    below = number(before, "before") if before else None
    shown = await request.app[HIVE].store.read(lambda tx: content.audit(tx, below))
    return page(request, "audit.html", shown)


async def login(request: web.Request, failed: Failed | None = None) -> web.Response:
    return page(request, "login.html", {}, failed=failed)


async def api_state(request: web.Request) -> web.Response:
    hive, options = request.app[HIVE], request.app[OPTIONS]
    shown = await hive.store.read(lambda tx: content.state(hive, tx))
    about = {"runtime": options.runtime_kind, "warnings": list(options.warnings)}
    return json_answer({**shown, **about})


async def healthz(request: web.Request) -> web.Response:
    """Whether the service answers and can read its database."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            await request.app[HIVE].events.last()
    except TimeoutError:
        raise Unavailable("the database does not answer") from None
    return web.Response(text="ok\n")


def path_id(request: web.Request) -> int:
    return number(request.match_info["id"], "id")


def path_name(request: web.Request) -> str:
    return check_name(request.match_info["name"])
