"""HTTP that is malformed, smuggled, slow, or asks for what is not there."""

import asyncio
import json
from pathlib import Path

import pytest

from hyperhive.gateway.limits import Limits
from hyperhive.protocol.wire import MAX_DOCUMENT
from tests.gateway.world import World, running

LINE = b"POST /v1/whoami HTTP/1.1\r\n"
HOST = b"Host: hive\r\n"


@pytest.mark.parametrize(
    "data",
    [
        LINE + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
        LINE + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        LINE + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        LINE + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        LINE + HOST + b"Content-Length: +2\r\n\r\n{}",
        LINE + HOST + b"Content-Length: -1\r\n\r\n{}",
        LINE + HOST + b"X: a\r\n b\r\n\r\n",
        LINE + b"Host: hive\nX: a\n\n",
        LINE + HOST + b"X\0: a\r\n\r\n",
        LINE + HOST + b"X: a\0b\r\n\r\n",
        LINE + HOST + b"X: " + b"a" * 10_000 + b"\r\n\r\n",
        LINE + HOST + b"X: a\r\n" * 1_000 + b"\r\n",
        b"POST /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 1_000,
        b"GET\r\n\r\n",
        b"{}\r\n\r\n",
        LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 20_000 + b"\r\n{}\r\n",
    ],
)
async def test_malformed_http_is_answered_once_and_closed(world: World, data: bytes) -> None:
    followed = data + LINE + HOST + b"Content-Length: 2\r\n\r\n{}"
    answer = await world.client("alice").bytes_out(followed)
    assert answer.count(b"HTTP/1.") == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert json.loads(body)["error"]["code"] == "invalid_frame"
    assert b"aiohttp" not in answer
    assert (await world.client("alice").call("whoami"))["name"] == "alice"


async def test_no_answer_names_the_server(world: World) -> None:
    async with world.client("alice").http() as http:
        for method, path in (
            ("POST", "/v1/whoami"),
            ("POST", "/v1/x"),
            ("GET", "/"),
            ("HEAD", "/"),
        ):
            async with http.request(method, f"http://hive{path}") as answer:
                assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/whoami"),
        ("PUT", "/v1/whoami"),
        ("POST", "/v1"),
        ("POST", "/v1/"),
        ("POST", "/v1/send/more"),
        ("POST", "/v2/whoami"),
        ("GET", "/v1/messages"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/models"),
        ("HEAD", "/v1/messages"),
        ("HEAD", "/v1/link"),
        ("POST", "/api/hello"),
        ("OPTIONS", "/v1/messages"),
    ],
)
async def test_what_is_not_there(world: World, method: str, path: str) -> None:
    async with (
        world.client("alice").http() as http,
        http.request(method, f"http://hive{path}") as answer,
    ):
        assert answer.status == 404
        if method != "HEAD":
            assert (await answer.json())["error"]["code"] == "not_found"
    assert world.upstream.seen == []


async def test_paths_that_climb_reach_nothing(world: World) -> None:
    for path in (b"/v1/messages/../files", b"/v1/%2e%2e/files", b"//v1/messages", b"*"):
        data = b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        answer = await world.client("alice").bytes_out(data)
        assert answer.split(b" ")[1] in (b"404", b"403", b"400"), (path, answer)
    assert world.upstream.seen == []


async def test_the_link_is_a_websocket_only(world: World) -> None:
    async with world.client("alice").http() as http, http.get("http://hive/v1/link") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "invalid_frame"


@pytest.mark.parametrize(
    "header",
    [
        b"Sec-WebSocket-Key: \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"Sec-WebSocket-Key: x",
        b"Sec-WebSocket-Version: \xff",
        b"Sec-WebSocket-Version: 12",
        b"Upgrade: web\xffsocket",
    ],
)
async def test_a_wrong_handshake(world: World, header: bytes) -> None:
    good = {
        b"Upgrade": b"websocket",
        b"Connection": b"Upgrade",
        b"Sec-WebSocket-Version": b"13",
        b"Sec-WebSocket-Key": b"AAAAAAAAAAAAAAAAAAAAAA==",
    }
    name, _, value = header.partition(b": ")
    lines = [name + b": " + value for name, value in (good | {name: value}).items()]
    data = b"GET /v1/link HTTP/1.1\r\n" + HOST + b"\r\n".join(lines) + b"\r\n\r\n"
    answer = await world.client("alice").bytes_out(data, end=True)
    assert answer == b"" or answer.split(b" ")[1] == b"400"
    reader, writer = await asyncio.open_unix_connection(str(world.socket("alice")))
    writer.write(data)
    assert (await reader.readline()).split(b" ")[1] == b"400"
    writer.close()
    await writer.wait_closed()


async def test_bodies_that_are_too_large_or_packed(world: World) -> None:
    large = b'{"body": "' + b"x" * MAX_DOCUMENT + b'"}'

    async def pieces() -> object:
        for at in range(0, len(large), 10_000):
            yield large[at : at + 10_000]

    async with world.client("alice").http() as http:
        async with http.post("http://hive/v1/send", data=large) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (413, "too_large")
        async with http.post("http://hive/v1/send", data=pieces()) as answer:
            assert answer.status == 413
        headers = {"Content-Encoding": "gzip"}
        async with http.post("http://hive/v1/send", data=b"{}", headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_frame")


@pytest.mark.parametrize("body", ["[]", "{", "null", "1", "", '"x"', "\x00", "{} {}"])
async def test_bodies_that_are_no_object(world: World, body: str) -> None:
    async with (
        world.client("alice").http() as http,
        http.post("http://hive/v1/send", data=body.encode()) as answer,
    ):
        error = (await answer.json())["error"]
        # No body at all is one without arguments.
        expected = "invalid_field" if body == "" else "invalid_frame"
        assert (answer.status, error["code"]) == (400, expected)


async def test_slow_heads_and_slow_bodies_end(tmp_path: Path, socket_dir: Path) -> None:
    limits = Limits(idle_seconds=0.3, body_seconds=0.3)
    async with running(tmp_path, socket_dir, limits=limits) as world:
        client = world.client("alice")
        async with asyncio.timeout(5):
            assert await client.bytes_out(b"") == b""
            assert await client.bytes_out(LINE + HOST) == b""
            answer = await client.bytes_out(LINE + HOST + b"Content-Length: 5\r\n\r\n{")
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"did not arrive within 0.3 s" in answer


async def test_half_closed_and_reset_connections_leave_nothing(world: World) -> None:
    request = LINE + HOST + b"Content-Length: 2\r\n\r\n{}"
    for cut in range(0, len(request), 7):
        await world.client("alice").bytes_out(request[:cut], end=True)
    server = world.gateway._doors["alice"]._runner.server
    assert server is not None
    assert (await world.client("alice").call("whoami"))["name"] == "alice"
