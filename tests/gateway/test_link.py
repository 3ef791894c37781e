"""Requests on a link: frames wrong in turn, how many at once, who is silent or does not read."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hyperhive.gateway.limits import Limits
from hyperhive.protocol.link import INVALID
from hyperhive.protocol.wire import MAX_DOCUMENT
from tests.gateway.client import Refused, result_of
from tests.gateway.world import World, running
from tests.support.wait import let_time_pass, wait_for

REQUEST: dict[str, Any] = {"type": "request", "id": 7, "verb": "whoami", "args": {}}


async def end_of(ws: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    """Close code and reason; what came before is dropped."""
    while (message := await ws.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert message.type is aiohttp.WSMsgType.CLOSE, message
    return message.data, message.extra or ""


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verb": None}, "verb"),
        ({"verb": 1}, "verb"),
        ({"verb": ""}, "verb"),
        ({"verb": "x" * 41}, "verb"),
        ({"verb": ...}, "verb"),
        ({"args": None}, "args"),
        ({"args": []}, "args"),
        ({"args": "x"}, "args"),
        ({"args": {str(n): 1 for n in range(51)}}, "args"),
        ({"args": {"": 1}}, "args"),
        ({"args": ...}, "args"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_wrong_request_is_answered_with_its_field(
    world: World, change: dict[str, Any], field: str
) -> None:
    frame = {k: v for k, v in (REQUEST | change).items() if v is not ...}
    async with world.client("alice").link() as link:
        before = world.dump()
        with pytest.raises(Refused) as refused:
            result_of(await link.send(frame, 7))
        assert refused.value.code == "invalid_field"
        assert (refused.value.field or "").startswith(field)
        assert (await link.call("whoami"))["name"] == "alice"
        assert world.dump() == before


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (REQUEST | {"id": None}, "invalid_field: id"),
        (REQUEST | {"id": 0}, "invalid_field: id"),
        (REQUEST | {"id": -1}, "invalid_field: id"),
        (REQUEST | {"id": True}, "invalid_field: id"),
        (REQUEST | {"id": 1.0}, "invalid_field: id"),
        (REQUEST | {"id": "7"}, "invalid_field: id"),
        ({"type": "request", "verb": "whoami", "args": {}}, "invalid_field: id"),
        (REQUEST | {"type": "hello"}, "invalid_field: type"),
        (REQUEST | {"type": None}, "invalid_field: type"),
        ({}, "invalid_field: type"),
        ({"type": "heartbeat", "beat": 1}, "invalid_field: beat"),
        ([], "invalid_frame"),
        ("x", "invalid_frame"),
        (None, "invalid_frame"),
    ],
)
async def test_a_frame_that_cannot_be_answered_ends_the_link(
    world: World, frame: object, reason: str
) -> None:
    async with world.client("alice").raw_link() as ws:
        await greet(ws)
        await ws.send_str(json.dumps(frame))
        code, text = await end_of(ws)
        assert code == INVALID
        assert text.startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nan",
        '{"type": NaN}',
        '{"type": Infinity}',
        '{"type": 1e400}',
        '{"type": ' + "9" * 400 + "}",
        '{"type": "heartbeat", "type": "heartbeat"}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "\ufeff{}",
        '{"type": "heartbeat"}\0',
        '{"type": "heart\0beat"}',
    ],
)
async def test_what_is_not_json_ends_the_link(world: World, text: str) -> None:
    async with world.client("alice").raw_link() as ws:
        await greet(ws)
        await ws.send_str(text)
        code, reason = await end_of(ws)
        assert (code, reason.partition(":")[0]) == (INVALID, "invalid_frame")


async def test_bytes_and_frames_that_are_too_large_end_the_link(world: World) -> None:
    async with world.client("alice").raw_link() as ws:
        await greet(ws)
        await ws.send_bytes(b"{}")
        assert (await end_of(ws))[0] == INVALID
    async with world.client("alice").raw_link() as ws:
        await greet(ws)
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await ws.send_str("x" * (MAX_DOCUMENT + 1))
        await wait_for(lambda: list(world.gateway.linked()) == [])


async def greet(ws: aiohttp.ClientWebSocketResponse) -> None:
    await ws.send_json({"type": "hello", "protocol": 1, "instance": "instance-of-a-test"})
    assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT


# --- at the same time ---


async def test_a_long_wait_holds_nothing_else_up(world: World) -> None:
    async with world.client("alice").link() as alice, world.client("bob").link() as bob:
        waiting = alice.start("recv", wait_seconds=60)
        assert (await alice.call("whoami"))["name"] == "alice"
        await bob.call("send", to="alice", body="hello", key="k1")
        assert [m["body"] for m in result_of(await waiting)] == ["hello"]


async def test_only_so_many_requests_at_once(tmp_path: Path, socket_dir: Path) -> None:
    async with (
        running(tmp_path, socket_dir, limits=Limits(in_flight=3)) as world,
        world.client("alice").link() as link,
    ):
        waiting = [link.start("recv", wait_seconds=60) for _ in range(3)]
        with pytest.raises(Refused) as refused:
            await link.call("whoami")
        assert (refused.value.code, refused.value.error["retry_after"]) == ("rate_limited", 1.0)
        for number in range(3):
            await world.client("bob").call("send", to="alice", body="x", key=f"k{number}")
        await asyncio.gather(*waiting)
        assert (await link.call("whoami"))["name"] == "alice"


async def test_more_requests_than_the_rate_allows_are_held_back(
    tmp_path: Path, socket_dir: Path
) -> None:
    limits = Limits(requests_per_second=50, burst=10)
    async with (
        running(tmp_path, socket_dir, limits=limits) as world,
        world.client("alice").link() as link,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        frames = await asyncio.gather(*(link.start("whoami") for _ in range(30)))
        assert all(frame["ok"] for frame in frames)
        assert loop.time() - began >= (30 - 10) / 50
        began = loop.time()
        await link.call("send", to="bob", body="x" * 50_000, key="k1")
        await link.call("whoami")
        assert loop.time() - began >= 40 / 50  # large ones cost more


async def test_a_silent_link_is_taken_for_dead(tmp_path: Path, socket_dir: Path) -> None:
    async with (
        running(tmp_path, socket_dir, limits=Limits(silence_seconds=0.3)) as world,
        world.client("alice").raw_link() as ws,
    ):
        await greet(ws)
        for _ in range(5):  # a heartbeat now and then is enough
            await ws.send_json({"type": "heartbeat"})
            await let_time_pass(0.1)
        assert not ws.closed
        code, reason = await end_of(ws)
        assert (code, reason) == (INVALID, "invalid_frame: the link was silent for too long")
        await wait_for(lambda: list(world.gateway.linked()) == [])


async def test_a_heartbeat_prolongs_the_leases(world: World) -> None:
    instance = "instance-of-a-test"
    async with world.client("alice").link(instance) as link:
        agent = await world.agent("alice")
        deadlines = world.hive.leases._deadlines
        first = deadlines[agent.id, instance]
        await link.ws.send_json({"type": "heartbeat"})
        await wait_for(lambda: deadlines[agent.id, instance] > first)


async def test_who_does_not_read_is_disconnected(tmp_path: Path, socket_dir: Path) -> None:
    limits = Limits(write_seconds=0.3, requests_per_second=10_000, burst=10_000)
    async with running(tmp_path, socket_dir, limits=limits) as world:
        world.logs["bob"] = ["x" * 2_000] * 1_000
        reader, writer = await asyncio.open_unix_connection(str(world.socket("manager")))
        await upgrade(reader, writer)
        writer.write(masked({"type": "hello", "protocol": 1, "instance": "instance-x"}))
        await wait_for(lambda: "manager" in world.gateway.linked())
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport
        arguments = {"agent": "bob", "lines": 1_000}
        for number in range(1, 9):
            request = {"type": "request", "id": number, "verb": "get_logs", "args": arguments}
            writer.write(masked(request))
        await wait_for(lambda: "manager" not in world.gateway.linked())
        writer.transport.abort()


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"GET /v1/link HTTP/1.1\r\nHost: hive\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")


def masked(frame: object) -> bytes:
    """A text frame under the mask 0 (RFC 6455, section 5.2)."""
    payload = json.dumps(frame).encode()
    assert len(payload) < 65_536
    length = bytes([0xFE]) + len(payload).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


async def test_what_was_under_way_ends_with_the_link(world: World) -> None:
    async with world.client("alice").link() as link:
        waiting = link.start("recv", wait_seconds=180)
        await link.call("whoami")
    with pytest.raises(ConnectionError):
        await waiting
    await wait_for(lambda: list(world.gateway.linked()) == [])
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith(("alice-", "pushes-"))]


async def test_an_unexpected_error_is_no_traceback_for_the_agent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    world.gateway._verbs._logs = broken  # type: ignore[assignment]  # a fault planted in the host
    client = world.client("manager")
    errors = []
    async with client.link() as link:
        with pytest.raises(Refused) as refused:
            await link.call("get_logs", agent="bob")
        errors.append(refused.value.error)
    with pytest.raises(Refused) as refused:
        await client.call("get_logs", agent="bob")
    errors.append(refused.value.error)
    message = "an unexpected error; the host's log has it"
    assert errors == [{"code": "error", "message": message}] * 2
    assert caplog.text.count("ZeroDivisionError") >= 2
    caplog.clear()
