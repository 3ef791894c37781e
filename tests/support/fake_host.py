"""A small host for tests of the harness: `/v1/link`, `POST /v1/<verb>` and a way to a model.

It keeps what a host must not forget (mail, turns, answers per key) across `restart`, and forgets
with each connection what a host may forget.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from hyperhive.protocol.bundle import parse_settings, settings_json
from hyperhive.protocol.errors import HiveError, InvalidField, LeaseExpired
from hyperhive.protocol.link import SUPERSEDED, Hello, Request
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import VERBS
from tests.support.wait import wait_for

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One verb as it arrived; `via` is `link` or `post`."""

    verb: str
    args: Json
    via: str


@dataclass
class Turn:
    """A turn the harness began; `end` is what it reported, nothing before."""

    messages: list[Json]
    events: list[Json] = field(default_factory=list)
    end: Json = field(default_factory=dict)


class FakeHost:
    """Serves one agent on `socket`; use it as an async context manager."""

    def __init__(
        self,
        socket: Path,
        *,
        role: str = "worker",
        capabilities: tuple[str, ...] = (),
        settings: Json | None = None,
        model_url: str = "",
    ) -> None:
        self.socket = socket
        self.role = role
        self.capabilities = capabilities
        self.settings = settings_json(parse_settings(settings or {}))
        self.settings_version = 1
        self.model_url = model_url
        self.model = "claude-sonnet-4-5-20250929"
        self.heartbeat_seconds = 15.0
        self.credential_kind = "api_key"
        self.calls: list[Call] = []
        self.hellos: list[Json] = []
        self.heartbeats = 0
        self.links: list[web.WebSocketResponse] = []
        self.turns: dict[str, Turn] = {}
        self.inbox: list[Json] = []
        self.checks: list[Json] = []
        self.refuse: dict[str, HiveError] = {}
        """Verb -> what it is refused with."""
        self.results: dict[str, Any] = {}
        """Verb -> what it returns."""
        self.lose_answer: set[str] = set()
        """Verbs that take effect once more, whereupon the connection breaks before the answer."""
        self.silent: set[str] = set()
        """Verbs that are never answered."""
        self.on_hello: Callable[[web.WebSocketResponse, Json], Any] | None = None
        """Called instead of answering a hello."""
        self.stopped = asyncio.Event()
        self._answers: dict[str, Any] = {}
        self._ids = iter(range(1, 1_000_000))
        self._runner: web.AppRunner | None = None

    # --- life ---

    async def __aenter__(self) -> FakeHost:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.stopped.clear()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/link", self._link)
        app.router.add_post("/v1/messages", self._model)
        app.router.add_post("/v1/{verb}", self._post)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self) -> None:
        """Like the end of a process: every connection breaks, the socket's file goes."""
        self.stopped.set()
        await self.drop_links()
        if self._runner is not None:
            await self._runner.cleanup()
        self.socket.unlink(missing_ok=True)
        self.checks.clear()

    async def drop_links(self, code: int = aiohttp.WSCloseCode.GOING_AWAY) -> None:
        for ws in self.links:
            await ws.close(code=code)
        self.links.clear()

    async def linked(self, number: int = 1, timeout: float = 10.0) -> None:
        """Waits for the `number`th hello to have been answered."""
        await wait_for(lambda: len(self.hellos) >= number and self.links, timeout, "a link")

    # --- what a test lets happen ---

    async def mail(self, body: str, *, sender: str = "operator", kind: str = "operator") -> Json:
        message: Json = {"id": next(self._ids), "from": sender, "kind": kind, "attempt": 1}
        message |= {"delivery": message["id"] + 1_000, "thread": message["id"], "body": body}
        message |= {"in_reply_to": None, "sent_at": "2025-01-01T00:00:00Z"}
        self.inbox.append(message)
        await self.push("mail")
        return message

    async def push(self, push: str, **data: object) -> None:
        for ws in list(self.links):
            with contextlib.suppress(ConnectionError):
                await ws.send_json({"type": "push", "push": push, "data": data})

    async def change_settings(self, **settings: object) -> None:
        self.settings = settings_json(parse_settings({**self.settings, **settings}))
        self.settings_version += 1
        await self.push("settings", settings=self.settings, settings_version=self.settings_version)

    def calls_of(self, verb: str) -> list[Json]:
        return [call.args for call in self.calls if call.verb == verb]

    @property
    def ended(self) -> list[Turn]:
        return [turn for turn in self.turns.values() if turn.end]

    async def wait_for_end(self, number: int = 1, timeout: float = 30.0) -> Turn:
        """Waits for the `number`th turn to have ended, and returns it."""
        await wait_for(lambda: len(self.ended) >= number, timeout, f"end of turn {number}")
        return self.ended[number - 1]

    # --- the link ---

    async def _link(self, http: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(http)
        hello = await ws.receive_json()
        parse(Hello, hello)
        self.hellos.append(hello)
        if self.on_hello is not None:
            await self.on_hello(ws, hello)
            return ws
        await self.drop_links(SUPERSEDED)
        self.checks.clear()
        await ws.send_json(self.welcome(hello))
        self.links.append(ws)
        async with asyncio.TaskGroup() as answers:
            async for message in ws:
                frame = json.loads(message.data)
                if frame["type"] == "heartbeat":
                    self.heartbeats += 1
                else:
                    answers.create_task(self._answer(ws, parse(Request, frame)))
        return ws

    def welcome(self, hello: Json) -> Json:
        turn = self.turns.get(hello["turn"] or "")
        return {
            "type": "welcome",
            "agent": "alice",
            "role": self.role,
            "capabilities": list(self.capabilities),
            "settings": self.settings,
            "settings_version": self.settings_version,
            "heartbeat_seconds": self.heartbeat_seconds,
            "credential_kind": self.credential_kind,
            "turn": hello["turn"] if turn and not turn.end else None,
        }

    async def _answer(self, ws: web.WebSocketResponse, request: Request) -> None:
        frame: Json = {"type": "response", "id": request.id}
        try:
            frame |= {"ok": True, "result": await self._act(request.verb, request.args, "link")}
        except HiveError as error:
            frame |= {"ok": False, "error": error.to_json()}
        if request.verb in self.lose_answer:
            self.lose_answer.discard(request.verb)
            self.links.remove(ws)
            await ws.close()
            return
        if request.verb not in self.silent:
            with contextlib.suppress(ConnectionError):
                await ws.send_json(frame)

    # --- verbs ---

    async def _post(self, http: web.Request) -> web.Response:
        try:
            verb = http.match_info["verb"]
            return web.json_response(await self._act(verb, await http.json(), "post"))
        except HiveError as error:
            return web.json_response({"error": error.to_json()}, status=error.status)

    async def _act(self, verb: str, args: Json, via: str) -> Any:
        self.calls.append(Call(verb, args, via))
        if verb not in VERBS:
            raise InvalidField("verb", "is not known")
        parse(VERBS[verb].arguments, args)
        if verb in self.refuse:
            raise self.refuse[verb]
        key = args.get("key")
        if key in self._answers:
            return self._answers[key]
        act = getattr(self, f"_{verb}", lambda args: {"id": next(self._ids)})
        result = self.results[verb] if verb in self.results else act(args)
        if key:
            self._answers[key] = result
        return result

    def _self_check(self, args: Json) -> None:
        self.checks.append(args)

    def _turn_begin(self, args: Json) -> Json:
        known = self.turns.get(args["turn"])
        if known is None:
            if not self.inbox or not self.checks or not self.checks[-1]["ok"]:
                return {"messages": []}
            known = self.turns[args["turn"]] = Turn(self.inbox[:32])
            del self.inbox[:32]
        if known.end:
            raise LeaseExpired("the turn is over")
        return {"messages": known.messages, "model": self.model, "fallback_model": None}

    def _turn_events(self, args: Json) -> Json:
        events = self.turns[args["turn"]].events
        events.extend(args["events"][max(0, len(events) + 1 - args["first"]) :])
        return {"last": len(events)}

    def _turn_end(self, args: Json) -> Json:
        turn = self.turns[args["turn"]]
        turn.end = turn.end or args
        return {"turn": args["turn"], "result": turn.end["result"]}

    def _recv(self, args: Json) -> list[Json]:
        taken = self.inbox[: args.get("max", 1)]
        del self.inbox[: len(taken)]
        return taken

    def _whoami(self, args: Json) -> Json:
        return {"name": "alice", "role": self.role, "capabilities": list(self.capabilities)}

    # --- the model ---

    async def _model(self, http: web.Request) -> web.StreamResponse:
        body = await http.read()
        headers = {k: v for k, v in http.headers.items() if k.lower() not in ("host", "connection")}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.model_url + http.path, data=body, headers=headers) as upstream,
        ):
            kept = {"Content-Type": upstream.content_type}
            response = web.StreamResponse(status=upstream.status, headers=kept)
            await response.prepare(http)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            return response


@contextlib.asynccontextmanager
async def restarted(host: FakeHost) -> AsyncIterator[None]:
    """The host is away inside the block and back after it, with what it had stored."""
    await host.stop()
    try:
        yield
    finally:
        await host.start()
