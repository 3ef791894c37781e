"""Whatever HTTP a test wants of an agent's socket, from inside the agent's container."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nested.host import ENVIRONMENT
from tests.host.hosted import Hosted

GUEST = Path(__file__).with_name("breach.py")

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """`status` is 0 where the connection was closed instead."""

    status: int
    body: str
    seconds: float

    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        return str(self.json()["error"]["code"])


class Breach:
    """A process of a container's root that asks whatever it is told of the agent's socket."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._reading = asyncio.create_task(self._read())

    async def ask(self, method: str, path: str, body: bytes = b"", **more: Any) -> Answer:
        """More: `times` the body, `drip` of as many bytes, `every` so many seconds."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        text = base64.b64encode(body).decode()
        asked = {"number": number, "method": method, "path": path, "body": text, **more}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        await self._process.stdin.drain()
        return await asyncio.wait_for(future, 150)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if not (future := self._waiting.pop(told.pop("number"))).done():
                future.set_result(Answer(**told))

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 20)
        await self._reading


@asynccontextmanager
async def breached(hive: Hosted, agent: str, user: str = "root") -> AsyncIterator[Breach]:
    argv = hive.inside(agent, ["/usr/bin/python3", "-I", "-c", GUEST.read_text()], user)
    process = await asyncio.create_subprocess_exec(
        *hive.host.command(argv),
        env=ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    breach = Breach(process)
    try:
        yield breach
    finally:
        await breach.close()
