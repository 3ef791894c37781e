"""The scripted model's server: the Anthropic Messages API, answered from a scenario."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from hyperhive.demo import api_errors, conversation, usage
from hyperhive.demo.api_requests import Json, check_headers, read_body
from hyperhive.demo.player import Reply, next_reply
from hyperhive.demo.rules import Failure
from hyperhive.demo.scenario import Pace, Scenario
from hyperhive.demo.stream import Message, encode, message

MAX_REQUEST = 32 * 1024 * 1024
"""Bytes of a request body, as the real API has it."""

SHUTDOWN_SECONDS = 0.5
"""How long streams may go on when the server stops."""

_MAX_COUNTERS = 1_000


@dataclass
class FailureCounts:
    """How often each failing step has failed: the one thing that no conversation shows."""

    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def fails_again(self, key: str, failure: Failure) -> bool:
        count = self._counts.pop(key, 0)
        if again := failure.times is None or count < failure.times:
            count += 1
        self._counts[key] = count
        if len(self._counts) > _MAX_COUNTERS:
            self._counts.popitem(last=False)
        return again


class ScenarioModel:
    """Answers requests from one scenario."""

    def __init__(self, scenario: Scenario, pace: Pace | None = None) -> None:
        self._scenario = scenario
        self._pace = pace or scenario.pace
        self._failures = FailureCounts()

    async def create_message(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        body = read_body(await request.read(), for_message=True)
        reply = next_reply(self._scenario, conversation.read(body), self._failures.fails_again)
        if reply.failure and reply.failure.kind != "cut":
            raise api_errors.of_failure(reply.failure)
        answer = message(reply, str(body["model"]), usage.input_tokens(body))
        return await self._deliver(request, body, reply, answer)

    async def count_tokens(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        body = read_body(await request.read(), for_message=False)
        return web.json_response({"input_tokens": usage.input_tokens(body).total})

    async def probe(self, request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def _deliver(
        self, request: web.Request, body: Json, reply: Reply, answer: Message
    ) -> web.StreamResponse:
        if body.get("stream") is True:
            return await self._stream(request, reply, answer)
        await asyncio.sleep(reply.delay_ms / 1000)
        if reply.failure:
            return _cut_off(request)
        return web.json_response(answer.to_json())

    async def _stream(
        self, request: web.Request, reply: Reply, answer: Message
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        # A client that leaves is no fault: the next write says so.
        with contextlib.suppress(ConnectionResetError):
            for event in answer.events(self._pace.chunk):
                await response.write(encode(event))
                if event["type"] == "ping":
                    await asyncio.sleep(reply.delay_ms / 1000)
                    if reply.failure:
                        return _cut_off(request)
                elif event["type"] == "content_block_delta":
                    await asyncio.sleep(self._pace.interval_ms / 1000)
        return response


def application(scenario: Scenario, pace: Pace | None = None) -> web.Application:
    """The API as an aiohttp application; `pace` overrides the scenario's."""
    model = ScenarioModel(scenario, pace)
    app = web.Application(middlewares=[api_errors.in_api_shape], client_max_size=MAX_REQUEST)
    app.on_response_prepare.append(_name_request)
    app.add_routes(
        [
            web.head("/", model.probe),
            web.post("/v1/messages", model.create_message),
            web.post("/v1/messages/count_tokens", model.count_tokens),
        ]
    )
    return app


@contextlib.asynccontextmanager
async def serve(
    scenario: Scenario, *, pace: Pace | None = None, port: int = 0, socket: Path | None = None
) -> AsyncIterator[str]:
    """Serve on loopback, or on the unix `socket`, while the context is open; gives the base URL.

    Port 0 takes a free one. On a unix socket the URL's host means nothing.
    """
    app = application(scenario, pace)
    # Handlers end with their client, or a delayed reply would outlive who waits for it.
    runner = web.AppRunner(
        app, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS, access_log=None
    )
    await runner.setup()
    try:
        if socket is not None:
            await web.UnixSite(runner, str(socket)).start()
            yield "http://localhost"
        else:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _cut_off(request: web.Request) -> web.StreamResponse:
    """Drop the connection in mid-answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _name_request(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["request-id"] = f"req_{uuid.uuid4().hex[:24]}"
