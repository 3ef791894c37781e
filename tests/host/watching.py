"""What a hosted service tells, as it tells it, and waiting for a part of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from hyperhive.admin.client import AdminClient
from tests.support.wait import wait_for

Event = Mapping[str, Any]


class Watch:
    """Events from now on, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.when: dict[int, float] = {}
        """Wall time at which each came, by its number."""
        self._news = asyncio.Event()

    async def follow(self, client: AdminClient, after: int) -> None:
        async for event in client.events(after):
            self.when[event["seq"]] = time.time()
            self.events.append(event)
            self._news.set()

    async def first(
        self, wanted: Callable[[Event], object], seconds: float = 20.0, since: int = 0
    ) -> Event:
        """The first that is `wanted` and has a number above `since`."""
        seen = 0
        async with asyncio.timeout(seconds):
            while True:
                self._news.clear()
                for event in self.events[seen:]:
                    if event["seq"] > since and wanted(event):
                        return event
                seen = len(self.events)
                await self._news.wait()


@contextlib.asynccontextmanager
async def watching(client: AdminClient, after: int | None = None) -> AsyncIterator[Watch]:
    """From the event after this one on, or from now."""
    made = Watch()
    if after is None:
        after = (await client.call("status"))["last_event"]
    task = asyncio.create_task(made.follow(client, after))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


def told(event: Event, to: str, what: str) -> dict[str, Any] | None:
    """The helper event `what` that was sent to this agent, or to `operator`."""
    data = event["data"]
    if event["kind"] != "message" or (data["to"], data["from"]) != (to, "system"):
        return None
    body: dict[str, Any] = json.loads(data["body"])
    return body if body["event"] == what else None


def of(event: Event, agent: str, *kinds: str) -> bool:
    return event["agent"] == agent and event["kind"] in kinds


async def view(client: AdminClient, name: str) -> dict[str, Any]:
    """One agent as the operator sees it."""
    found = (await client.call("agents"))["agents"]
    return next(dict(agent) for agent in found if agent["name"] == name)


async def operations_over(client: AdminClient, seconds: float) -> None:
    async def none() -> bool:
        return not (await client.call("status"))["operations"]

    await wait_for(none, seconds, "the end of all operations")
