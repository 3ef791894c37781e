"""The link against a host that talks nonsense, or not at all."""

import asyncio
import logging
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.harness.link import Link, Times
from hyperhive.protocol.errors import RemoteError
from hyperhive.protocol.link import INVALID
from tests.support.fake_host import FakeHost, Json
from tests.support.linking import INSTANCE, QUICK, Heard, inject, running, send
from tests.support.wait import wait_for

GARBAGE = {
    "not json": "}{",
    "not an object": "[]",
    "duplicate keys": '{"type": "push", "type": "push"}',
    "nan": '{"type": "response", "id": 1, "ok": true, "result": NaN}',
    "deep": '{"type":' + "[" * 5_000 + "]" * 5_000 + "}",
    "bytes": b"\x00\xff",
}
HARMLESS = {
    "unknown type": '{"type": "poem"}',
    "no type": "{}",
    "answer to nobody": '{"type": "response", "id": 99, "ok": true}',
    "answer without id": '{"type": "response"}',
    "odd id": '{"type": "response", "id": [1], "ok": true}',
    "push without data": '{"type": "push", "push": "mail", "data": 3}',
}


@pytest.mark.parametrize("frame", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_costs_the_connection_only(
    host: FakeHost, link: Link, frame: str | bytes
) -> None:
    await inject(host, frame)
    await host.linked(2)
    assert await send(link, "k-1")


@pytest.mark.parametrize("frame", HARMLESS.values(), ids=HARMLESS)
async def test_what_is_not_understood_is_passed_over(
    host: FakeHost, link: Link, frame: str
) -> None:
    await inject(host, frame)
    assert await send(link, "k-1")
    assert len(host.hellos) == 1


async def test_a_malformed_refusal_is_still_a_refusal(host: FakeHost, link: Link) -> None:
    """Its request must not wait for ever."""
    host.silent = {"whoami"}
    asking = asyncio.create_task(link.request("whoami", {}, 5))
    await wait_for(lambda: host.calls_of("whoami"))
    await inject(host, '{"type": "response", "id": 1, "error": "no"}')
    with pytest.raises(RemoteError, match="malformed error"):
        await asking


@pytest.mark.parametrize(
    "welcome",
    ["}{", '{"type": "welcome"}', '{"type": "response", "id": 1}', b"x"],
    ids=["not json", "no fields", "not a welcome", "bytes"],
)
async def test_a_bad_welcome_is_tried_again(
    host: FakeHost, heard: Heard, caplog: pytest.LogCaptureFixture, welcome: str | bytes
) -> None:
    async def garble(ws: web.WebSocketResponse, hello: Json) -> None:
        await (ws.send_str(welcome) if isinstance(welcome, str) else ws.send_bytes(welcome))
        host.on_hello = None

    host.on_hello = garble
    with caplog.at_level(logging.WARNING):
        async with running(Link(host.socket, INSTANCE, heard, QUICK)):
            await wait_for(lambda: heard.welcomes)
    assert "no link to the host" in caplog.text


async def test_a_refused_hello_is_logged_once_and_tried_again(
    host: FakeHost, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(ws: web.WebSocketResponse, hello: Json) -> None:
        await ws.close(code=INVALID, message=b"protocol 1 is too old")

    host.on_hello = refuse
    with caplog.at_level(logging.WARNING):
        async with running(Link(host.socket, INSTANCE, heard, QUICK)):
            await wait_for(lambda: len(host.hellos) >= 3)
    assert caplog.text.count("code 4002 protocol 1 is too old") == 1


async def test_a_host_that_says_nothing_is_left(socket: Path, heard: Heard) -> None:
    hellos = 0

    async def ignore(ws: web.WebSocketResponse, hello: Json) -> None:
        nonlocal hellos
        hellos += 1
        await ws.receive()

    impatient = Times(connect=0.05, first_pause=0.01, longest_pause=0.01)
    async with FakeHost(socket) as host:
        host.on_hello = ignore
        async with running(Link(socket, INSTANCE, heard, impatient)):
            await wait_for(lambda: hellos >= 2)


async def test_a_host_that_hangs_is_left(host: FakeHost, heard: Heard) -> None:
    """Its kernel still answers connects; only missing pongs tell."""

    async def hang(ws: web.WebSocketResponse, hello: Json) -> None:
        await ws.send_json(host.welcome(hello))
        await host.stopped.wait()

    impatient = Times(ping=0.1, first_pause=0.01, longest_pause=0.01)
    host.on_hello = hang
    async with running(Link(host.socket, INSTANCE, heard, impatient)):
        await wait_for(lambda: len(host.hellos) >= 2)
