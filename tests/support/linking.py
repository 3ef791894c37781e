"""A link of the harness in a test: what it heard, and its task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from hyperhive.harness.link import Link, Times
from hyperhive.protocol.answers import Welcome
from tests.support.fake_host import FakeHost

QUICK = Times(connect=2.0, answer=2.0, again=0.05, first_pause=0.01, longest_pause=0.05, gone=0.3)
INSTANCE = "instance-1"


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.turn: str | None = None
        self.welcomes: list[Welcome] = []
        self.pushes: list[tuple[str, dict[str, Any]]] = []

    def welcome(self, welcome: Welcome) -> None:
        self.welcomes.append(welcome)

    def push(self, push: str, data: Mapping[str, Any]) -> None:
        self.pushes.append((push, dict(data)))


@contextlib.asynccontextmanager
async def running(link: Link) -> AsyncIterator[asyncio.Task[Any]]:
    task = asyncio.create_task(link.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(link: Link, key: str, timeout: float = 5.0) -> Any:
    return await link.request("send", {"to": "bob", "body": "hi", "key": key}, timeout)


async def inject(host: FakeHost, frame: str | bytes) -> None:
    (ws,) = host.links
    await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))
