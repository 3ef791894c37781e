"""A program that is the runtime adapter, as the service's user in a nested host.

Reads calls as JSON lines and writes results, and every end as it comes. See driving.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperhive.hive.ports import Ended, Terminal
from hyperhive.nspawn.runtime import NspawnRuntime, open_runtime
from hyperhive.protocol.errors import HiveError
from tests.local.conftest import agent
from tests.support.wait import wait_for

STATE, SOCKETS = Path("/var/lib/hyperhive/service"), Path("/run/hyperhive/service/agents")
BUNDLE = Path("/opt/hyperhive/bundles/default")


def tell(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class Driver:
    """Methods are the calls."""

    def __init__(self, runtime: NspawnRuntime) -> None:
        self._runtime = runtime
        self._shells: list[Terminal] = []
        runtime.subscribe(self._ended)

    def _ended(self, ended: Ended) -> None:
        run = ended.invocation
        at = time.clock_gettime(time.CLOCK_MONOTONIC)
        tell(ended=run.agent, id=run.id, reason=ended.reason, exit=ended.exit, at=at)

    async def start(self, name: str) -> str:
        directory = SOCKETS / name
        directory.mkdir(exist_ok=True)
        directory.chmod(0o711)
        return (await self._runtime.start(agent(name))).id

    async def stop(self, name: str, invocation: str | None = None) -> None:
        await self._runtime.stop(name, invocation)

    async def stop_all(self) -> None:
        await self._runtime.stop_all()

    async def purge(self, name: str) -> None:
        await self._runtime.purge(name)

    async def running(self) -> dict[str, str]:
        return {name: run.id for name, run in (await self._runtime.running()).items()}

    async def logs(self, name: str, lines: int) -> list[str]:
        return [*await self._runtime.logs(name, lines)]

    async def usage(self, name: str) -> dict[str, Any]:
        return asdict(await self._runtime.usage(name))

    async def peer_allowed(self, name: str, uid: int) -> bool:
        return self._runtime.peer_allowed(name, uid)

    async def started_from(self, name: str, invocation: str) -> str | None:
        return self._runtime.started_from(name, invocation)

    async def descriptors(self) -> int:
        return len(os.listdir("/proc/self/fd"))

    async def shell(self, name: str, user: Any, command: str) -> str:
        """What a command types and shows in a terminal of 30 rows and 100 columns."""
        terminal = await self._runtime.open_terminal(name, user, 30, 100)
        try:
            await read_to(terminal, r"[$#] $")  # before it asks, a shell throws away what is typed
            await terminal.write(f"{command}; echo en''d\n".encode())
            return await read_to(terminal, "end\r\n")
        finally:
            await terminal.close()

    async def open_shell(self, name: str, user: Any, command: str) -> int:
        """A terminal that stays open, in which it runs; its number is for `close_shell`."""
        terminal = await self._runtime.open_terminal(name, user, 30, 100)
        self._shells.append(terminal)
        await read_to(terminal, r"[$#] $")
        await terminal.write(f"{command}\n".encode())
        return len(self._shells) - 1

    async def close_shell(self, number: int) -> None:
        await self._shells[number].close()

    async def over(self, number: int) -> None:
        await self._shells[number].over()

    async def shell_to_its_end(self, name: str) -> str:
        terminal = await self._runtime.open_terminal(name, "agent", 30, 100)
        await read_to(terminal, r"[$#] $")
        await terminal.write(b"exit\n")
        shown = await read_to(terminal, r"(?!)")
        await terminal.close()
        return shown

    async def try_directly(self, unit: str) -> None:
        """Past our own check of names."""
        await self._runtime.units.start(unit)


async def read_to(terminal: Terminal, pattern: str) -> str:
    shown = b""
    async with asyncio.timeout(10):
        while part := await terminal.read():
            shown += part
            if re.search(pattern, shown.decode(errors="replace")):
                break
    return shown.decode(errors="replace")


async def answer(driver: Driver, number: int, call: str, arguments: list[Any]) -> None:
    begun = time.monotonic()
    try:
        result = await getattr(driver, call)(*arguments)
    except (HiveError, TimeoutError) as error:
        code = getattr(error, "code", "timeout")
        seconds = time.monotonic() - begun
        tell(number=number, error=code, message=str(error), seconds=seconds)
    else:
        tell(number=number, result=result, seconds=time.monotonic() - begun)


async def main() -> None:
    runtime = await open_runtime(STATE, BUNDLE)
    driver = Driver(runtime)
    await runtime.adopt()
    tell(ready=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        number, call, arguments = json.loads(line)
        tasks.add(asyncio.create_task(answer(driver, number, call, arguments)))
    with suppress(AssertionError):
        await wait_for(lambda: all(task.done() for task in tasks), 5)
    await runtime.close()


if __name__ == "__main__":
    asyncio.run(main())
