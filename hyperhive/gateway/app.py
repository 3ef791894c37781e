"""The HTTP application behind one agent's socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from hyperhive.gateway.body import read_body
from hyperhive.gateway.config_repos import ConfigRepos
from hyperhive.gateway.egress import EgressProxy
from hyperhive.gateway.limits import Limits
from hyperhive.gateway.line import Line
from hyperhive.gateway.model import ModelGateway
from hyperhive.gateway.rate import TokenBucket
from hyperhive.gateway.tasks import Tasks
from hyperhive.gateway.verbs import Verbs
from hyperhive.protocol.errors import HiveError, InvalidFrame, NotFound
from hyperhive.protocol.wire import MAX_DOCUMENT, dumps, loads_object

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AgentApp:
    """Routes of one agent. `handlers` holds the requests under way."""

    def __init__(
        self,
        line: Line,
        verbs: Verbs,
        model: ModelGateway,
        egress: EgressProxy,
        configs: ConfigRepos,
        bucket: TokenBucket,
        limits: Limits,
    ) -> None:
        self.handlers = Tasks()
        self._line = line
        self._verbs = verbs
        self._model = model
        self._egress = egress
        self._configs = configs
        self._bucket = bucket
        self._model_bucket = TokenBucket(limits.requests_per_second, limits.burst)
        self._limits = limits

    def make(self) -> web.Application:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            task = asyncio.current_task()
            assert task is not None
            self.handlers.adopt(task)
            return await _answer_errors(request, self._proxied if _is_proxied(request) else handler)

        app = web.Application(middlewares=[guard])
        app.on_response_prepare.append(_be_nobody)
        app.router.add_get("/v1/link", self._link, allow_head=False)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._messages)
        self._configs.add_to(app.router)
        app.router.add_post("/v1/{verb}", self._call)
        app.router.add_head("/", self._probe)
        app.router.add_head("/api/hello", self._probe)
        return app

    def tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection that began with CONNECT."""
        caller = self._line.caller
        coroutine = self._egress.tunnel(reader, writer, caller, self._bucket)
        self.handlers.spawn(coroutine, f"tunnel-{caller.name}")

    # --- handlers ---

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(
            max_msg_size=MAX_DOCUMENT, compress=False, timeout=self._limits.close_seconds
        )
        try:
            await ws.prepare(request)
        except ValueError:  # aiohttp takes the key of the handshake for ASCII, its errors for UTF-8
            raise InvalidFrame("not an acceptable WebSocket handshake") from None
        await self._line.serve(ws, lambda: _abort(request))
        return ws

    async def _call(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, MAX_DOCUMENT, self._limits.body_seconds)
        await self._bucket.pay(1 + len(body) / 1024)
        args = loads_object(body or b"{}")
        result = await self._verbs.call(self._line.caller, request.match_info["verb"], args)
        return _json(200, result)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._model.serve(request, self._line.caller, self._model_bucket)

    async def _proxied(self, request: web.Request) -> web.StreamResponse:
        return await self._egress.forward(request, self._line.caller, self._bucket)

    async def _probe(self, _: web.Request) -> web.StreamResponse:
        """Claude Code asks whether its API is there; the model's servers need not know."""
        return web.Response()


def _is_proxied(request: web.Request) -> bool:
    """Whether it names another server (RFC 9112, 3.2.2) instead of a path on this one."""
    return not request.raw_path.startswith("/") and request.raw_path != "*"


async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error becomes JSON; the unexpected goes to the log and not to the agent."""
    try:
        return await handler(request)
    except HiveError as error:
        return error_response(error)
    except web.HTTPException as error:
        if error.status in (404, 405):
            return error_response(NotFound("there is nothing here"))
        return error_response(InvalidFrame(error.reason))
    except ConnectionError:
        raise
    except Exception:
        log.exception("%s %s failed unexpectedly", request.method, request.path)
        return error_response(HiveError("an unexpected error; the host's log has it"), 500)


def error_response(error: HiveError, status: int | None = None) -> web.Response:
    return _json(status or error.status, {"error": error.to_json()})


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, text=dumps(value), content_type="application/json")


async def _be_nobody(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
