"""`admin.sock`: JSON over HTTP for the command line. Authority is access to the socket."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from hyperhive.admin import actions, debug, deploys, queries, verbs
from hyperhive.admin.context import Context
from hyperhive.hive.events import Reset
from hyperhive.hive.views import event_view
from hyperhive.protocol.errors import Forbidden, HiveError, InvalidField, NotFound, TooLarge
from hyperhive.protocol.model import check_name
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import Send
from hyperhive.protocol.wire import MAX_DOCUMENT, dumps, loads
from hyperhive.terminal_socket import forever, serve

log = logging.getLogger(__name__)

CONTAINER_UIDS = range(1_000_000_000, 1_879_048_192)
"""Agents run under these: whatever the socket's mode says, they are not the operator."""

Verb = tuple[type, Callable[[Context, Any], Awaitable[dict[str, Any]]]]
VERBS: dict[str, Verb] = {
    "agent": (verbs.ByName, queries.agent),
    "agents": (verbs.Nothing, queries.agents),
    "answer": (verbs.Answer, actions.answer),
    "approvals": (verbs.Listing, queries.approvals),
    "approve": (verbs.Approve, actions.approve),
    "ask": (verbs.Ask, actions.ask),
    "audit": (verbs.Audit, queries.audit),
    "cancel_deploy": (verbs.ById, deploys.cancel_deploy),
    "cancel_question": (verbs.ById, actions.cancel_question),
    "cancel_turn": (verbs.ByName, actions.cancel_turn),
    "debug_ack": (verbs.DebugAck, debug.debug_ack),
    "debug_leases": (verbs.Nothing, debug.debug_leases),
    "debug_recv": (verbs.DebugRecv, debug.debug_recv),
    "debug_send": (verbs.DebugSend, debug.debug_send),
    "debug_wake": (verbs.ByName, debug.debug_wake),
    "deny": (verbs.Deny, actions.deny),
    "deploy_log": (verbs.DeployLog, deploys.deploy_log),
    "deploys": (verbs.Deploys, deploys.deploys),
    "destroy": (verbs.Destroy, actions.destroy),
    "diff": (verbs.Diff, deploys.diff),
    "doctor": (verbs.Nothing, queries.doctor),
    "inbox": (verbs.Inbox, queries.inbox),
    "kill": (verbs.ByName, actions.kill),
    "login_code": (verbs.Nothing, actions.login_code),
    "logs": (verbs.Logs, queries.logs),
    "mark_read": (verbs.MarkRead, actions.mark_read),
    "messages": (verbs.Messages, queries.messages),
    "model": (verbs.SetModel, actions.model),
    "new_session": (verbs.ByName, actions.new_session),
    "questions": (verbs.Listing, queries.questions),
    "restart": (verbs.ByName, actions.restart),
    "revive": (verbs.ByName, actions.revive),
    "rollback": (verbs.Rollback, deploys.rollback),
    "send": (Send, actions.send),
    "spawn": (verbs.Spawn, actions.spawn),
    "start": (verbs.ByName, actions.start),
    "status": (verbs.Nothing, queries.status),
    "update": (verbs.Update, deploys.update),
}

_CONTEXT = web.AppKey("context", Context)


def make_app(context: Context) -> web.Application:
    """The application to serve on `admin.sock`."""
    app = web.Application(middlewares=[_answer_errors, _check_peer], client_max_size=MAX_DOCUMENT)
    app[_CONTEXT] = context
    app.router.add_post("/v1/{verb}", _call)
    app.router.add_get("/v1/events", _events)
    app.router.add_get("/v1/shell/{name}", _shell, allow_head=False)
    return app


async def _call(request: web.Request) -> web.StreamResponse:
    name = request.match_info["verb"]
    if name not in VERBS:
        raise NotFound(f"there is no verb {name[:100]!r}")
    arguments, act = VERBS[name]
    document = loads(await _body(request) or b"{}")
    return _json(200, await act(request.app[_CONTEXT], parse(arguments, document)))


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"at most {MAX_DOCUMENT} bytes are accepted") from None


async def _events(request: web.Request) -> web.StreamResponse:
    """JSON lines, one event each, from `after` on and then live; `{"reset": true}` on a gap."""
    hive = request.app[_CONTEXT].hive
    after = _after(request.query.get("after"), await hive.events.last())
    response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
    await response.prepare(request)
    try:
        async for events in hive.events.follow(after):
            lines = "".join(dumps(event_view(e)) + "\n" for e in events)
            await response.write(lines.encode())
    except Reset:
        await response.write(b'{"reset":true}\n')
    except ConnectionError:
        pass  # nobody reads any more
    return response


async def _shell(request: web.Request) -> web.StreamResponse:
    """A terminal over a WebSocket."""
    name, where = check_name(request.match_info["name"]), f"admin socket, uid {peer_uid(request)}"
    return await serve(request, request.app[_CONTEXT].terminals, name, where, forever)


def _after(text: str | None, newest: int) -> int:
    if text is None:
        return newest
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise InvalidField("after", "must be the number of an event")
    return int(text)


@web.middleware
async def _answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except HiveError as error:
        return _json(error.status, {"error": error.to_json()})
    except web.HTTPException as error:
        return _json(error.status, {"error": {"code": "http", "message": error.reason}})


@web.middleware
async def _check_peer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if peer_uid(request) in CONTAINER_UIDS:
        raise Forbidden
    return await handler(request)


def peer_uid(request: web.Request) -> int:
    """The uid at the other end (SO_PEERCRED, unix(7)); -1 when it is not known."""
    sock = request.transport.get_extra_info("socket") if request.transport else None
    if sock is None:
        return -1
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(status=status, text=dumps(body), content_type="application/json")
