"""Asking for the model as an agent does, and looking at what the host made of it."""

from __future__ import annotations

import io
import json
from typing import Any

from hyperhive.hive.clock import utc_day
from hyperhive.hive.records import Usage
from tests.gateway.upstream import PLACEHOLDERS
from tests.gateway.world import BIG, World

Json = dict[str, Any]
BODY: Json = {
    "model": BIG,
    "max_tokens": 10,
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
}
KEY = PLACEHOLDERS["api_key"]


class Answer:
    """What the agent got."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def error(self) -> Json:
        document = json.loads(self.body)
        assert (set(document), document["type"]) == ({"type", "error"}, "error")
        error: Json = document["error"]
        assert set(error) == {"type", "message"}
        return error


async def ask(
    world: World,
    body: object = BODY,
    *,
    name: str = "alice",
    path: str = "/v1/messages",
    headers: Any = KEY,
) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        world.client(name).http() as http,
        http.post(f"http://hive{path}", data=io.BytesIO(data), headers=headers) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.read())


async def used(world: World, name: str = "alice") -> Usage:
    agent = await world.agent(name)
    day = utc_day(world.clock.now())
    return await world.hive.store.read(lambda tx: tx.usage.day(agent.id, day))


async def held(world: World, name: str = "alice") -> tuple[str, float] | None:
    """Reason, and the seconds from now until it is over."""
    hold = (await world.agent(name)).hold
    if hold is None:
        return None
    assert hold.until is not None
    return hold.reason, hold.until.wall - world.clock.now()
