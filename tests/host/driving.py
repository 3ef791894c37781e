"""Calls to the runtime adapter that runs as the service's user in a nested host."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nested.host import ENVIRONMENT, NestedHost
from tests.support.wait import wait_for

CLONE = Path(__file__).parents[2]


class Refused(Exception):
    """With the word of our own error, what it says, and after how many seconds."""

    def __init__(self, code: str, message: str, seconds: float) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.seconds = seconds


@dataclass(frozen=True)
class End:
    agent: str
    id: str
    reason: str
    exit: int | None
    at: float
    """CLOCK_MONOTONIC when it was told."""


class Driven:
    """The adapter in a process of its own; see driver.py for what can be called."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.ends: list[End] = []
        self.ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def call(self, name: str, *arguments: object) -> Any:
        """Raises Refused."""
        number = next(self._numbers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([number, name, arguments]).encode() + b"\n")
        async with asyncio.timeout(100):
            answer = await future
        if "error" in answer:
            raise Refused(answer["error"], answer["message"], answer["seconds"])
        return answer["result"]

    async def end_of(self, agent: str, seconds: float = 10) -> End:
        """The next end that nobody has asked for yet."""
        await wait_for(lambda: [e for e in self.ends if e.agent == agent], seconds, "an end")
        found = next(e for e in self.ends if e.agent == agent)
        self.ends.remove(found)
        return found

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            if "ended" in told:
                self.ends.append(End(told.pop("ended"), **told))
            elif "number" in told:
                self._answers.pop(told["number"]).set_result(told)
            else:
                self.ready.set()

    async def kill(self) -> None:
        self._process.kill()
        await self.wait()

    async def wait(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def driven(host: NestedHost) -> AsyncIterator[Driven]:
    """An adapter that has adopted what runs; agents go on when it ends."""
    process = await asyncio.create_subprocess_exec(
        *host.command([sys.executable, "-m", "tests.host.driver"], user="hyperhive"),
        env={**ENVIRONMENT, "PYTHONPATH": str(CLONE), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=os.sep,
    )
    made = Driven(process)
    try:
        await asyncio.wait_for(made.ready.wait(), 20)
        yield made
    finally:
        await made.wait()
