"""The way to the model, end to end: credentials, models, budgets, streams, refusals, counts."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hyperhive.gateway.limits import ModelLimits
from hyperhive.gateway.model import ModelGateway
from hyperhive.hive.clock import utc_day
from hyperhive.hive.records import Usage
from tests.gateway.upstream import (
    CREDENTIALS,
    PLACEHOLDERS,
    SECRET,
    always,
    event,
    failure,
    stream,
)
from tests.gateway.world import BIG, OTHER, SMALL, World, may_fetch, policy, poor, running
from tests.support.wait import wait_for

Json = dict[str, Any]
BODY: Json = {
    "model": BIG,
    "max_tokens": 10,
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
}
KEY = PLACEHOLDERS["api_key"]


class Answer:
    """What the agent got."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def error(self) -> Json:
        document = json.loads(self.body)
        assert (set(document), document["type"]) == ({"type", "error"}, "error")
        error: Json = document["error"]
        assert set(error) == {"type", "message"}
        return error


async def ask(
    world: World,
    body: object = BODY,
    *,
    name: str = "alice",
    path: str = "/v1/messages",
    headers: Any = KEY,
) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        world.client(name).http() as http,
        http.post(f"http://hive{path}", data=io.BytesIO(data), headers=headers) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.read())


async def used(world: World, name: str = "alice") -> Usage:
    agent = await world.agent(name)
    day = utc_day(world.clock.now())
    return await world.hive.store.read(lambda tx: tx.usage.day(agent.id, day))


async def held(world: World, name: str = "alice") -> tuple[str, float] | None:
    """Reason, and the seconds from now until it is over."""
    hold = (await world.agent(name)).hold
    if hold is None:
        return None
    assert hold.until is not None
    return hold.reason, hold.until.wall - world.clock.now()


# --- a request that goes well ---


async def test_a_stream_passes_as_it_is_and_is_counted(world: World) -> None:
    answer = await ask(world, path="/v1/messages?beta=true")
    assert (answer.status, answer.body) == (200, b"".join(stream()))
    assert answer.headers["Content-Type"] == "text/event-stream"
    (seen,) = world.upstream.seen
    assert (seen.path, seen.body) == ("/v1/messages?beta=true", BODY)
    assert seen.headers["x-api-key"] == SECRET
    assert seen.headers["host"] == world.upstream.url.removeprefix("http://")
    # Counted before its end was seen, at 3 and 15 dollars a million.
    assert await used(world) == Usage(10, 20, 0, 0, 10 * 3 + 20 * 15, 1)
    assert await used(world, "bob") == Usage()


async def test_it_streams_while_it_comes(world: World) -> None:
    world.upstream.hold_after = 3
    async with (
        world.client("alice").http() as http,
        http.post("http://hive/v1/messages", json=BODY, headers=KEY) as answer,
    ):
        first = b"".join(stream()[:3])
        assert await asyncio.wait_for(answer.content.readexactly(len(first)), 5) == first
        world.upstream.go_on.set()
        assert await answer.read() == b"".join(stream()[3:])


async def test_a_whole_message_is_counted_too(world: World) -> None:
    usage = {"input_tokens": 5, "output_tokens": 6, "cache_read_input_tokens": 1_000}
    message = {"type": "message", "usage": usage}
    world.upstream.answer = always(lambda: web.json_response(message))
    answer = await ask(world)
    assert json.loads(answer.body) == message
    assert await used(world) == Usage(5, 6, 1_000, 0, 5 * 3 + 6 * 15 + 300, 1)


async def test_counting_tokens_costs_nothing(world: World) -> None:
    world.upstream.answer = always(lambda: web.json_response({"input_tokens": 7}))
    answer = await ask(world, path="/v1/messages/count_tokens")
    assert json.loads(answer.body) == {"input_tokens": 7}
    assert world.upstream.seen[0].path == "/v1/messages/count_tokens"
    assert await used(world) == Usage()


async def test_what_a_turn_used_is_counted_with_the_turn(world: World) -> None:
    await world.client("bob").call("send", to="alice", body="work", key="k1")
    async with world.client("alice").link("instance-x") as link:
        await link.call("self_check", ok=True)
        await link.call("turn_begin", turn="turn-0001")
        await ask(world)
        spent = await world.hive.store.read(lambda tx: tx.usage.turn("turn-0001"))
        assert (spent.input_tokens, spent.output_tokens, spent.requests) == (10, 20, 1)
        await link.call("turn_end", turn="turn-0001", result="clean")
    await ask(world)
    assert await world.hive.store.read(lambda tx: tx.usage.turn("turn-0001")) == spent


async def test_over_a_unix_socket_upstream(world: World, socket_dir: Path) -> None:
    app = web.Application()
    app.router.add_post("/v1/messages", world.upstream._serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket_dir / "api.sock")).start()
    url = f"unix:{socket_dir / 'api.sock'}"
    async with ModelGateway(world.hive, url, "api_key", SECRET) as model:
        for door in world.gateway._doors.values():
            door._app._model = model
        assert (await ask(world)).body == b"".join(stream())
    await runner.cleanup()


async def test_probes_are_answered_here(world: World) -> None:
    async with world.client("alice").http() as http:
        for path in ("/", "/api/hello"):
            async with http.head(f"http://hive{path}") as answer:
                assert answer.status == 200
    assert world.upstream.seen == []


# --- credentials ---

TOKEN = PLACEHOLDERS["oauth_token"]


@pytest.mark.parametrize("kind", ["api_key", "oauth_token"])
async def test_the_placeholder_is_replaced_by_the_real_one_of_its_kind(
    tmp_path: Path, socket_dir: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = "oauth_token" if kind == "api_key" else "api_key"
    async with running(tmp_path, socket_dir, credential_kind=kind) as world:
        assert (await ask(world, headers=PLACEHOLDERS[kind])).status == 200
        sent = {n: v for n, v in world.upstream.seen[0].headers.items() if v.endswith(SECRET)}
        assert sent == CREDENTIALS[kind]
        for headers in ({}, PLACEHOLDERS[other], PLACEHOLDERS[other] | PLACEHOLDERS[kind]):
            answer = await ask(world, headers=headers)
            assert (answer.status, answer.error["type"]) == (401, "authentication_error")
            assert answer.headers["x-should-retry"] == "false"
        assert len(world.upstream.seen) == 1
        assert world.upstream.wrong_credentials == []
    assert SECRET not in caplog.text


async def test_the_stand_in_itself_is_strict(world: World) -> None:
    """Else the tests above would prove nothing."""
    real = CREDENTIALS["api_key"]
    async with aiohttp.ClientSession() as http:
        for headers in ({}, KEY, TOKEN, real | TOKEN, CREDENTIALS["oauth_token"]):
            url = world.upstream.url + "/v1/messages"
            async with http.post(url, json=BODY, headers=headers) as answer:
                assert answer.status == 401
        async with http.post(url, json=BODY, headers=real) as answer:
            assert answer.status == 200


async def test_the_key_comes_back_in_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    leak = f"your key {SECRET} is odd"
    world.upstream.answer = always(lambda: failure(400, "invalid_request_error", leak))
    answer = await ask(world)
    assert answer.error["message"] == "your key [key] is odd"
    world.upstream.answer = always(lambda: failure(401, "authentication_error", leak))
    await ask(world)
    await world.upstream._runner.cleanup()
    await ask(world)
    assert SECRET not in caplog.text + "".join(world.dump())


# --- which model, and what it costs ---


async def test_only_the_models_in_force(world: World) -> None:
    for model in (BIG, SMALL):  # its own, and the helper
        assert (await ask(world, BODY | {"model": model})).status == 200
    for model in (OTHER, "other", "unknown", "", "x" * 10_000):
        answer = await ask(world, BODY | {"model": model})
        assert (answer.status, answer.error["type"]) == (402, "invalid_request_error")
        assert (
            "is not allowed for alice; allowed now: claude-big-1, claude-small-1"
            in (answer.error["message"])
        )
        assert answer.headers["x-should-retry"] == "false"
    assert len(world.upstream.seen) == 2
    await world.hive.agents.set_model("alice", "other")
    assert (await ask(world, BODY | {"model": OTHER})).status == 200
    assert (await ask(world)).status == 402


async def test_the_models_of_a_turn_hold_until_it_ends(world: World) -> None:
    await world.client("bob").call("send", to="alice", body="work", key="k1")
    async with world.client("alice").link("instance-x") as link:
        await link.call("self_check", ok=True)
        await link.call("turn_begin", turn="turn-0001")
        await world.hive.agents.set_model("alice", "other")
        assert (await ask(world)).status == 200
        await link.call("turn_end", turn="turn-0001", result="clean")
        assert (await ask(world)).status == 402


@pytest.mark.parametrize("budget", [{"usd_per_day": 0.0003}, {"tokens_per_day": 25}])
async def test_a_days_budget(tmp_path: Path, socket_dir: Path, budget: dict[str, float]) -> None:
    rules = policy(alice=poor(**budget))
    async with running(tmp_path, socket_dir, rules) as world:
        assert (await ask(world)).status == 200
        answer = await ask(world)
        assert (answer.status, answer.error["type"]) == (402, "invalid_request_error")
        assert "a day is used up" in answer.error["message"]
        assert answer.headers["x-should-retry"] == "false"
        hold = await held(world)
        assert hold is not None
        assert hold[0] == "budget"
        assert len(world.upstream.seen) == 1
        world.clock.pass_by(86_400)
        assert (await ask(world)).status == 200


# --- what must not go upstream ---


async def test_refusals_are_shown_once_and_reach_nobody(world: World) -> None:
    for more, word in (
        ({"mcp_servers": [{"url": "https://evil"}]}, "mcp_servers"),
        ({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, "web_fetch"),
        ({"messages": [{"content": [{"type": "image", "source": {"type": "url"}}]}]}, "url"),
    ):
        answer = await ask(world, BODY | more)
        assert (answer.status, answer.error["type"]) == (402, "invalid_request_error")
        assert answer.headers["x-should-retry"] == "false"
        assert repr(word) in answer.error["message"]
    answer = await ask(world, headers=KEY | {"anthropic-beta": "files-api-2025-04-14"})
    assert answer.status == 402
    assert world.upstream.seen == []
    assert await used(world) == Usage()


async def test_what_the_policy_lists_may_go(tmp_path: Path, socket_dir: Path) -> None:
    body = BODY | {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}
    async with running(tmp_path, socket_dir, policy(alice=may_fetch("web_fetch"))) as world:
        headers = KEY | {"anthropic-beta": "web-fetch-2025-09-10"}
        assert (await ask(world, body)).status == 200
        assert (await ask(world, body, name="bob")).status == 402
        assert (await ask(world, body, headers=headers)).status == 402  # another word


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"model": "a", "model": "b"}', 400),
        (b'{"model": "a", "mo\\u0064el": "b"}', 400),
        (b'{"model": NaN}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b'{"model": 1}', 400),
        (b'{"model": "claude-big-1", "messages": 1}', 400),
        (b"[" + b"{}," * 600_000 + b"{}]", 413),
        (b'{"model": "' + b"x" * 33 * 1024 * 1024 + b'"}', 413),
        (b"9" * 100_000, 400),
    ],
    ids=range(15),
)
async def test_bodies_that_are_none(world: World, data: bytes, status: int) -> None:
    answer = await ask(world, data)
    assert answer.status == status
    assert answer.error["type"] in ("invalid_request_error", "request_too_large")
    assert answer.headers["x-should-retry"] == "false"
    assert world.upstream.seen == []


async def test_large_bodies_and_odd_numbers_pass(world: World) -> None:
    """What tools are called with is the model's and the agent's own business."""
    numbers = {"big": 10**30, "small": -(2**63), "float": 1e300}
    uses = [{"type": "tool_use", "id": "t", "name": "x", "input": numbers}] * 500
    text = [{"type": "text", "text": "x" * 5_000_000}]
    body = BODY | {"messages": [{"role": "assistant", "content": uses + text}]}
    assert (await ask(world, body)).status == 200
    assert world.upstream.seen[0].body == body


# --- refusals from upstream ---


@pytest.mark.parametrize(
    ("status", "kind", "headers", "expected"),
    [
        (429, "rate_limit_error", {"retry-after": "120"}, ("rate_limited", 120.0)),
        (
            429,
            "rate_limit_error",
            {"anthropic-ratelimit-unified-reset": "1700000300"},
            ("rate_limited", 300.0),
        ),
        (429, "rate_limit_error", {}, ("rate_limited", 60.0)),
        (529, "overloaded_error", {}, ("overloaded", 60.0)),
        (529, "overloaded_error", {"retry-after": "5"}, ("overloaded", 5.0)),
        (401, "authentication_error", {}, ("credential", 300.0)),
        (403, "permission_error", {}, ("credential", 300.0)),
    ],
)
async def test_a_refusal_holds_the_inbox_until_it_is_over(
    world: World, status: int, kind: str, headers: Json, expected: tuple[str, float]
) -> None:
    sent = headers | {"x-should-retry": "true"}
    world.upstream.answer = always(lambda: failure(status, kind, "slow down", sent))
    answer = await ask(world)
    assert (answer.status, answer.error) == (status, {"type": kind, "message": "slow down"})
    assert answer.headers.getall("x-should-retry") == ["false"]
    for name, value in headers.items():
        assert answer.headers[name] == value
    assert await held(world) == expected
    assert await held(world, "bob") is None
    told = await world.hive.store.read(lambda tx: tx.messages.recent(limit=5))
    assert [json.loads(d.message.body)["agent"] for d in told] == ["alice"]
    assert await used(world) == Usage()


@pytest.mark.parametrize("status", [400, 404, 413, 500])
async def test_other_refusals_pass_and_hold_nothing(world: World, status: int) -> None:
    world.upstream.answer = always(lambda: failure(status, "some_error", "no"))
    answer = await ask(world)
    assert (answer.status, answer.error["message"]) == (status, "no")
    assert "x-should-retry" not in answer.headers
    assert await held(world) is None


async def test_a_refusal_in_another_form_is_put_into_the_apis(world: World) -> None:
    page = "<html>bad gateway</html>"
    world.upstream.answer = always(
        lambda: web.Response(status=503, text=page, content_type="text/html")
    )
    answer = await ask(world)
    assert answer.error["message"] == "the model's API answered with status 503"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert await held(world) == ("overloaded", 60.0)


async def test_a_refusal_to_count_holds_nothing(world: World) -> None:
    world.upstream.answer = always(lambda: failure(429, "rate_limit_error", "slow down"))
    assert (await ask(world, path="/v1/messages/count_tokens")).status == 429
    assert await held(world) is None


async def test_an_error_inside_a_stream_holds_the_inbox(world: World) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    world.upstream.pieces = [stream()[0], event("error", error=error)]
    answer = await ask(world)
    assert answer.body == b"".join(world.upstream.pieces)
    assert await held(world) == ("overloaded", 60.0)
    assert (await used(world)).input_tokens == 10


async def test_redirects_are_not_followed(world: World) -> None:
    moved = {"Location": world.upstream.url + "/elsewhere"}
    world.upstream.answer = always(lambda: web.Response(status=307, headers=moved))
    answer = await ask(world)
    assert (answer.status, answer.error["type"]) == (502, "api_error")
    assert len(world.upstream.seen) == 1


async def test_an_api_that_is_not_there(world: World) -> None:
    await world.upstream._runner.cleanup()
    answer = await ask(world)
    assert (answer.status, answer.error["type"]) == (502, "api_error")
    assert "does not answer (ClientConnectorError)" in answer.error["message"]
    assert await held(world) == ("overloaded", 60.0)
    assert await used(world) == Usage()


async def test_an_api_that_says_nothing(tmp_path: Path, socket_dir: Path) -> None:
    limits = ModelLimits(idle_seconds=0.2)
    async with running(tmp_path, socket_dir, model_limits=limits) as world:
        world.upstream.hold_after = 0
        async with asyncio.timeout(5):
            with pytest.raises(aiohttp.ClientPayloadError):  # after its head
                await ask(world)
        world.upstream.answer = forever
        answer = await ask(world)
        assert answer.status == 502
        assert await held(world) == ("overloaded", 60.0)


async def forever(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


# --- streams that end early ---


async def test_a_stream_cut_upstream_is_cut_here_and_counted(world: World) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in stream("x" * 300)[:3]:
            await response.write(piece)
        assert request.transport is not None
        request.transport.abort()
        return response

    world.upstream.answer = cut
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(world)
    await wait_for(lambda: not world.model._streams)
    assert (await used(world)).output_tokens == 100


@contextlib.asynccontextmanager
async def under_way(world: World, body: Json = BODY) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        world.client("alice").http() as http,
        http.post("http://hive/v1/messages", json=body, headers=KEY) as answer,
    ):
        yield answer


async def test_an_agent_that_leaves_ends_the_stream_upstream(world: World) -> None:
    world.upstream.pieces = stream("x" * 300)
    world.upstream.hold_after = 3
    async with under_way(world) as answer:
        await answer.content.readany()
        assert world.model._streams == {(await world.agent("alice")).id: 1}
    async with asyncio.timeout(5):
        await world.upstream.left.wait()
    await wait_for(lambda: not world.model._streams)
    spent = await used(world)
    assert (spent.input_tokens, spent.output_tokens, spent.requests) == (10, 100, 1)


async def test_leaving_before_the_counts_come_is_not_free(world: World) -> None:
    world.upstream.answer = forever
    content = [
        {"type": "text", "text": "x" * 30_000},
        {"type": "image", "source": {"type": "base64", "data": "A" * 90_000}},
    ]
    task = asyncio.create_task(ask(world, BODY | {"messages": [{"content": content}]}))
    await wait_for(lambda: world.upstream.seen)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        await world.upstream.left.wait()
    await wait_for(lambda: not world.model._streams)
    spent = await used(world)
    assert 15_000 <= spent.input_tokens < 15_100
    assert spent.requests == 1


async def test_who_does_not_read_is_cut_off(tmp_path: Path, socket_dir: Path) -> None:
    limits = ModelLimits(write_seconds=0.3)
    async with running(tmp_path, socket_dir, model_limits=limits) as world:
        world.upstream.pieces = [stream()[0], *(b": " + b"x" * 100_000 + b"\n\n",) * 100]
        _, writer = await asyncio.open_unix_connection(str(world.socket("alice")), limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport
        data = json.dumps(BODY).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: hive\r\nContent-Length: {len(data)}\r\n"
        writer.write(head.encode() + b"x-api-key: placeholder\r\n\r\n" + data)
        await wait_for(lambda: world.model._streams)
        await wait_for(lambda: not world.model._streams)
        await wait_for(world.upstream.left.is_set)
        writer.transport.abort()


async def test_four_at_a_time(world: World) -> None:
    world.upstream.hold_after = 1
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            answer = await stack.enter_async_context(under_way(world))
            await answer.content.readany()
        refused = await ask(world)
        assert (refused.status, refused.error["type"]) == (429, "rate_limit_error")
        assert refused.headers["Retry-After"] == "1"
        assert "x-should-retry" not in refused.headers
        assert await held(world) is None
        async with asyncio.timeout(5):  # another agent has its own four
            bob = asyncio.create_task(ask(world, name="bob"))
            await wait_for(lambda: len(world.upstream.seen) == 5)
            world.upstream.go_on.set()
            assert (await bob).status == 200
    await wait_for(lambda: not world.model._streams)
    assert (await ask(world)).status == 200
