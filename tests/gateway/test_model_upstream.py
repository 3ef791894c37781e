"""The way to the model's servers: what is told when it is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.gateway.limits import ModelLimits
from hyperhive.gateway.model_errors import UpstreamDown
from hyperhive.gateway.model_upstream import Upstream
from tests.gateway.asking import ask
from tests.gateway.upstream import always, failure
from tests.gateway.world import running
from tests.support.net import free_port


async def test_an_outage_is_logged_when_it_begins(
    tmp_path: Path, socket_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = tmp_path / "api.sock"
    logged = f"the model's API cannot be reached: {api}: "
    async with running(tmp_path, socket_dir, upstream_url=f"unix:{api}") as world:

        async def outage() -> list[str]:
            caplog.clear()
            for _ in range(3):
                assert (await ask(world)).status == 502
            return [r.message for r in caplog.records if r.levelname == "WARNING"]

        assert await outage() == [logged + "no such file or directory"]
        async with serving(api):
            assert (await ask(world)).status == 400
        api.unlink(missing_ok=True)
        assert await outage() == [logged + "no such file or directory"]


@asynccontextmanager
async def serving(socket: Path) -> AsyncIterator[None]:
    """An API that refuses whatever it is asked."""
    app = web.Application()
    app.router.add_post("/v1/messages", always(lambda: failure(400, "some_error", "no")))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("http://127.0.0.1:{port}", "cannot be reached: 127.0.0.1:{port}: connection refused"),
        ("http://name.invalid", "cannot be reached: name.invalid: its name cannot be resolved"),
        ("https://127.0.0.1:{open}", "cannot be reached: 127.0.0.1:{open}: "),
        ("http://127.0.0.1:{open}", "does not answer (ServerDisconnectedError)"),
    ],
)
async def test_why_there_is_no_answer(url: str, detail: str) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    places = {"port": free_port(), "open": server.sockets[0].getsockname()[1]}
    upstream = Upstream(url.format(**places), ModelLimits())
    await upstream.open()
    try:
        with pytest.raises(UpstreamDown) as down:
            async with upstream.post("/v1/messages", {}, b"{}"):
                pass
    finally:
        await upstream.close()
        server.close()
        await server.wait_closed()
    assert down.value.detail.startswith("the model's API " + detail.format(**places))
    assert down.value.message.startswith("hyperhive: the model's API does not answer (")
