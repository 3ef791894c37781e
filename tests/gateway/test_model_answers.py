"""What comes back from the model's servers: refusals, outages, streams that end early."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hyperhive.gateway import model_estimate
from hyperhive.gateway.limits import ModelLimits
from hyperhive.hive.records import Usage
from tests.gateway.asking import BODY, KEY, Json, ask, held, used
from tests.gateway.upstream import always, event, failure, stream
from tests.gateway.world import World, running
from tests.support.wait import wait_for

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


async def test_an_answer_without_end_is_given_up(world: World) -> None:
    for status, size in ((503, 100_000), (200, 40_000_000)):
        world.upstream.answer = always(
            lambda status=status, size=size: web.Response(status=status, body=b"x" * size)  # type: ignore[misc]  # bound now
        )
        answer = await ask(world)
        assert (answer.status, answer.error["type"]) == (502, "api_error")


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
    assert await held(world) == ("unreachable", 60.0)
    assert await used(world) == Usage()
    hold = (await world.agent("alice")).hold
    assert hold is not None
    place = world.upstream.url.removeprefix("http://")
    assert hold.detail == f"the model's API cannot be reached: {place}: connection refused"
    assert place not in answer.error["message"]  # which the agent reads
    (told,) = await world.hive.store.read(lambda tx: tx.messages.recent(limit=5))
    facts = json.loads(told.message.body)
    assert (facts["event"], facts["detail"]) == ("rate_limited", hold.detail)


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
        assert await held(world) == ("unreachable", 60.0)


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


async def test_leaving_before_a_whole_message_came_is_not_free(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the model's servers write meanwhile is billed, and nobody will ever see the counts."""
    monkeypatch.setattr(model_estimate, "TOKENS_PER_SECOND", 1e9)
    world.upstream.answer = forever
    for stream_field, expected in ((False, 4_000), (None, 8_000), (True, 8_000)):
        world.upstream.left.clear()
        world.upstream.seen.clear()
        body = BODY | {"max_tokens": 4_000, "stream": stream_field}
        task = asyncio.create_task(ask(world, body))
        await wait_for(lambda: world.upstream.seen)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            await world.upstream.left.wait()
        await wait_for(lambda: not world.model._streams)
        assert (await used(world)).output_tokens == expected


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
