"""The listeners of the service under more connections than they take."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import web

from hyperhive.service import listening
from tests.support.wait import wait_for


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _status(url: str) -> int | None:
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status
    return None


async def test_connections_are_bounded_and_silent_ones_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """More would use up the descriptors of the service, and with them every agent's socket."""
    monkeypatch.setattr(listening, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(listening, "IDLE_SECONDS", 2.0)
    app = web.Application()
    app.router.add_get("/", _hello)
    listener = listening.bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with listening.on_listener(app, listener):
        assert await _status(f"http://127.0.0.1:{port}/") == 200
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        await wait_for(
            lambda: sum(reader.at_eof() or _failed(reader) for reader, _ in opened) >= 40
        )
        assert await _status(f"http://127.0.0.1:{port}/") is None
        await wait_for(lambda: all(reader.at_eof() or _failed(reader) for reader, _ in opened))
        assert await _status(f"http://127.0.0.1:{port}/") == 200
        for _, writer in opened:
            writer.transport.abort()


def _failed(reader: asyncio.StreamReader) -> bool:
    return reader.exception() is not None
