"""The WebSocket client: against aiohttp's server, and against one that says anything."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from hyperhive.harness import websocket
from hyperhive.harness.websocket import Closed, WebSocket

PONG = b"\x8a\x00"


@contextlib.asynccontextmanager
async def aiohttp_server(
    socket: Path,
    talk: Callable[[web.WebSocketResponse], Awaitable[None]],
    *,
    autoping: bool = True,
) -> AsyncIterator[None]:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0, autoping=autoping)
        await ws.prepare(request)
        await talk(ws)
        return ws

    app = web.Application()
    app.router.add_get("/link", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def connect(socket: Path, *, ping: float = 5.0, limit: int = 2**24) -> WebSocket:
    return await WebSocket.connect(socket, "/link", max_bytes=limit, ping_seconds=ping)


async def echo(ws: web.WebSocketResponse) -> None:
    async for message in ws:
        await ws.send_str(message.data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 3_000_000])
async def test_texts_of_every_size_go_both_ways(tmp_path: Path, size: int) -> None:
    async with aiohttp_server(tmp_path / "s", echo):
        ws = await connect(tmp_path / "s")
        await ws.send("ü" * (size // 2) + "x" * (size % 2))
        assert len((await ws.receive()).encode()) == size
        await ws.close()


async def test_a_close_is_told_with_its_code_and_reason_and_echoed(tmp_path: Path) -> None:
    async def end(ws: web.WebSocketResponse) -> None:
        await ws.close(code=4001, message="no ü".encode())
        codes.append(ws.close_code)

    codes: list[int | None] = []
    async with aiohttp_server(tmp_path / "s", end):
        ws = await connect(tmp_path / "s")
        with pytest.raises(Closed, match=r"^code 4001 no ü$") as caught:
            await ws.receive()
    assert (caught.value.code, codes) == (4001, [4001])


async def test_to_close_says_so(tmp_path: Path) -> None:
    heard: list[tuple[WSMsgType, int]] = []

    async def hear(ws: web.WebSocketResponse) -> None:
        message = await ws.receive()
        heard.append((message.type, message.data))

    async with aiohttp_server(tmp_path / "s", hear):
        ws = await connect(tmp_path / "s")
        await ws.close()
        await ws.close()
        with pytest.raises(ConnectionError):
            await ws.send("late")
    assert heard == [(WSMsgType.CLOSE, websocket.GOING)]


async def test_pings_are_answered_and_asked(tmp_path: Path) -> None:
    kinds: list[WSMsgType] = []

    async def both(ws: web.WebSocketResponse) -> None:
        await ws.ping(b"well?")
        async with asyncio.timeout(5):
            while kinds[-2:] != [WSMsgType.PONG, WSMsgType.PING]:
                kinds.append((await ws.receive()).type)
                if kinds[-1] is WSMsgType.PING:
                    await ws.pong()
        await ws.send_str("done")

    async with aiohttp_server(tmp_path / "s", both, autoping=False):
        ws = await connect(tmp_path / "s", ping=0.05)
        assert await ws.receive() == "done"
        await ws.close()


@contextlib.asynccontextmanager
async def saying(socket: Path, *pieces: bytes, stay: bool = False) -> AsyncIterator[bytearray]:
    """A server that accepts, sends these bytes one by one, and keeps what comes afterwards."""
    heard, ended = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"Sec-WebSocket-Key: (\S+)", head)
        assert key is not None
        writer.write(_accepting(key[1]))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if not stay:
            writer.write_eof()
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                heard.extend(data)
        writer.close()
        ended.set()

    server = await asyncio.start_unix_server(serve, socket)
    try:
        yield heard
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        server.close()


def _accepting(key: str) -> bytes:
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: upgrade\r\n"
        f"SEC-WEBSOCKET-ACCEPT:  {digest}\r\n\r\n"
    ).encode()


async def test_a_message_may_come_in_pieces_with_others_in_between(tmp_path: Path) -> None:
    pieces = (b"\x01\x02ab", b"\x89\x02hi", b"\x00\x00", PONG, b"\x80", b"\x01c", b"\x81\x01d")
    async with saying(tmp_path / "s", *pieces) as heard:
        ws = await connect(tmp_path / "s")
        assert (await ws.receive(), await ws.receive()) == ("abc", "d")
        with pytest.raises(Closed) as caught:
            await ws.receive()
        assert caught.value.code == websocket.LOST
        await ws.close()
    assert heard[0] == 0x8A  # the pong
    assert heard[1] == 0x82  # masked, two bytes


WRONG = {
    "binary": (b"\x82\x01x", 1003),
    "not utf-8": (b"\x81\x02\xff\xfe", 1007),
    "half a character": (b"\x81\x01\xc3", 1007),
    "a reserved bit": (b"\xc1\x01x", 1002),
    "masked": (b"\x81\x81abcdx", 1002),
    "continues nothing": (b"\x80\x01x", 1002),
    "two beginnings": (b"\x01\x01x\x81\x01y", 1002),
    "unknown kind": (b"\x83\x01x", 1002),
    "long ping": (b"\x89\x7e\x00\x7e" + b"x" * 126, 1002),
    "ping in pieces": (b"\x09\x01x", 1002),
    "too long": (b"\x81\x7e\x03\xe9", 1009),
    "far too long": (b"\x81\x7f" + b"\xff" * 8, 1009),
    "too long in pieces": (b"\x01\x7e\x03\xe8" + b"x" * 1000 + b"\x80\x01x", 1009),
}


@pytest.mark.parametrize(("sent", "code"), WRONG.values(), ids=WRONG)
async def test_what_breaks_the_protocol_ends_it(tmp_path: Path, sent: bytes, code: int) -> None:
    async with saying(tmp_path / "s", sent, stay=True) as heard:
        ws = await connect(tmp_path / "s", limit=1000)
        with pytest.raises(Closed) as caught:
            await ws.receive()
        assert caught.value.code == code
        await ws.close()
    assert heard[:2] == b"\x88\x82"
    masked = bytes(a ^ b for a, b in zip(heard[6:8], heard[2:4], strict=True))
    assert struct.unpack("!H", masked) == (code,)


@pytest.mark.parametrize("sent", [b"", b"\x81", b"\x81\x05ab", b"\x81\x7f"])
async def test_silence_is_asked_once_and_then_left(tmp_path: Path, sent: bytes) -> None:
    async with saying(tmp_path / "s", sent, stay=True) as heard:
        ws = await connect(tmp_path / "s", ping=0.05)
        with pytest.raises(Closed, match="no sign of life"):
            await ws.receive()
        await ws.close()
    assert heard[:2] == b"\x89\x80"
    assert len(heard) == 6


ANSWERS = {
    "nothing": b"",
    "no http": b"SSH-2.0\r\n\r\n",
    "refused": b"HTTP/1.1 403 Forbidden\r\n\r\n",
    "another key": b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
    "endless": b"HTTP/1.1 101 X\r\nX: " + b"x" * 200_000,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_who_does_not_shake_hands_is_no_host(tmp_path: Path, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "s"):
        with pytest.raises(ConnectionError):
            await connect(tmp_path / "s")


async def test_no_host_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await connect(tmp_path / "s")
