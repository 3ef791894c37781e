"""HTTP to the host: what passes is waited for, what stays is told as the host said it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.harness.host_http import HostHttp
from hyperhive.protocol.errors import Forbidden, HiveError, RateLimited, RemoteError

PASSING = ("rate_limited",)


@asynccontextmanager
async def answering(socket: Path, *errors: HiveError) -> AsyncIterator[list[bytes]]:
    """A host that refuses with these, then says yes; yields what it got."""
    got: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        got.append(await request.read())
        if len(got) > len(errors):
            return web.Response(body=b"yes")
        error = errors[len(got) - 1]
        return web.json_response({"error": error.to_json()}, status=error.status)

    app = web.Application()
    app.router.add_post("/{any:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield got
    finally:
        await runner.cleanup()


async def test_a_refusal_that_passes_is_waited_out(socket_dir: Path) -> None:
    socket = socket_dir / "s"
    busy = RateLimited("later", 1.0)
    async with answering(socket, busy, busy) as got, HostHttp(socket) as http:
        assert await http.ask("POST", "/x", 5, body=b"pack", passing=PASSING) == b"yes"
    assert got == [b"pack"] * 3


async def test_one_that_does_not_pass_in_time_is_told(socket_dir: Path) -> None:
    socket = socket_dir / "s"
    async with answering(socket, *[RateLimited("later", 1.0)] * 9) as got, HostHttp(socket) as http:
        with pytest.raises(RemoteError, match="later"):
            await http.ask("POST", "/x", 0.5, passing=PASSING)
    assert len(got) > 1


async def test_others_are_told_at_once(socket_dir: Path) -> None:
    socket = socket_dir / "s"
    async with answering(socket, Forbidden(), Forbidden()) as got, HostHttp(socket) as http:
        with pytest.raises(RemoteError) as refused:
            await http.ask("POST", "/x", 5, passing=PASSING)
    assert refused.value.remote_code == "forbidden"
    assert len(got) == 1
