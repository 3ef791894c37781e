"""The way to the model, end to end: what passes, with which credential, and how it is counted."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hyperhive.gateway.model import ModelGateway
from hyperhive.hive.records import Usage
from tests.gateway.asking import BODY, KEY, ask, used
from tests.gateway.upstream import CREDENTIALS, PLACEHOLDERS, SECRET, always, failure, stream
from tests.gateway.world import World, running

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
