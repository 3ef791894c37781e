"""A whole harness in the test's own event loop: real Claude Code, scripted model, fake host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperhive.harness.link import Link, Times
from hyperhive.harness.options import Options
from hyperhive.harness.orders import Orders
from hyperhive.harness.work import work
from tests.support.fake_host import FakeHost
from tests.support.scripted_model import Script, ScriptedModel
from tests.support.wait import wait_for

QUICK = Times(first_pause=0.01, longest_pause=0.05, again=0.05)


@dataclass(frozen=True)
class Working:
    """One agent at work, and both its ends."""

    host: FakeHost
    model: ScriptedModel
    options: Options

    @property
    def workspace(self) -> Path:
        return self.options.workspace


def make_options(root: Path, **changes: Any) -> Options:
    state, home, workspace = (root / name for name in ("state", "home", "workspace"))
    for directory in (state, home, workspace):
        directory.mkdir(mode=0o700, exist_ok=True)
    socket = root / "hive.sock"
    options = Options(socket=socket, state=state, home=home, workspace=workspace, poll=5.0)
    return replace(options, **changes)


@contextlib.asynccontextmanager
async def harness(options: Options) -> AsyncIterator[asyncio.Task[None]]:
    """What `run` owns, without the process around it."""
    orders = Orders()
    link = Link(options.socket, "instance-1", orders, QUICK)
    linked = asyncio.create_task(link.run())
    try:
        welcome = await orders.first_welcome
        working = asyncio.create_task(work(options, link, orders, welcome))
        try:
            yield working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    finally:
        linked.cancel()
        await asyncio.gather(linked, return_exceptions=True)


@contextlib.asynccontextmanager
async def working(
    root: Path, script: Script, *, options: dict[str, Any] | None = None, **host: Any
) -> AsyncIterator[Working]:
    """Yields once the harness has reported its self-check."""
    settings = make_options(root, **(options or {}))
    async with (
        ScriptedModel(script) as model,
        FakeHost(settings.socket, model_url=model.url, **host) as fake,
        harness(settings),
    ):
        await wait_for(lambda: fake.checks, 30, "the self-check")
        yield Working(fake, model, settings)
