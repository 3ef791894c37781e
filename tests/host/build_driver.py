"""A program that keeps repositories and has them built, as the service's user in a nested host.

Reads calls as JSON lines and writes results, and each line of a log as it comes. See building.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.nix import Nix
from hyperhive.flakes.room import STORE, Room
from hyperhive.hive.storage_guard import LOW
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.units import Units
from hyperhive.protocol.bundle import settings_json
from hyperhive.protocol.errors import BuildFailed, HiveError
from hyperhive.service.free_space import FreeSpace

JOBS, FLAKE = Path("/var/lib/hyperhive/jobs"), Path("/opt/hyperhive/flake")
ROOTS = Path("/nix/var/nix/gcroots/hyperhive")
APPLIED = Path("/var/lib/hyperhive/service/applied")


def tell(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class Driver:
    """Methods are the calls."""

    def __init__(self, nix: Nix) -> None:
        self._nix = nix
        self._repositories = Repositories(APPLIED)
        self._task: asyncio.Task[Any] | None = None

    async def commit(self, name: str, files: dict[str, str]) -> str:
        await self._repositories.create(name)
        return await self._repositories.commit(
            name,
            {path: text.encode() for path, text in files.items()},
            parent=None,
            message="a change",
            author="operator",
            when=time.time(),
        )

    async def evaluate(self, number: int, name: str, commit: str) -> dict[str, Any]:
        async def export(directory: Path) -> None:
            await self._repositories.export(name, commit, directory)

        found = await self._nix.evaluate(number, name, export, self._line)
        settings = settings_json(found.settings)
        return {"drv": found.drv, "system": found.system, "settings": settings}

    async def check(
        self, number: int, name: str, commit: str, running: str | None
    ) -> dict[str, Any]:
        async def export(directory: Path) -> None:
            await self._repositories.export(name, commit, directory)

        found = await self._nix.check(number, name, export, running, self._line)
        closure = asdict(found.closure) if found.closure else None
        told = {"drv": found.drv, "system": found.system, "warnings": found.warnings}
        return {**told, "closure": closure}

    async def both(self, name: str, proposed: str, deployed: str) -> dict[str, Any]:
        """A proposal is checked while a deploy evaluates."""
        check = self.check(3, name, proposed, None)
        one, other = await asyncio.gather(check, self.evaluate(4, name, deployed))
        return {"proposed": one, "pending": other}

    async def build(self, number: int, name: str, drv: str) -> dict[str, Any]:
        bundle = await self._nix.build(number, name, drv, self._line)
        settings = settings_json(bundle.settings)
        return {"path": bundle.path, "system": bundle.system, "settings": settings}

    async def begin_build(self, number: int, name: str, drv: str) -> None:
        """To be cancelled."""
        self._task = asyncio.create_task(self.build(number, name, drv))

    async def cancel(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def adopt(self) -> None:
        await self._nix.adopt()

    async def keep(self, name: str, role: Any, path: str) -> None:
        await self._nix.keep(name, role, path)

    async def kept(self, name: str, role: Any) -> str | None:
        return await self._nix.kept(name, role)

    async def release(self, name: str, role: Any = None) -> None:
        await self._nix.release(name, role)

    async def left(self) -> list[str]:
        return os.listdir(JOBS)

    def _line(self, line: str) -> None:
        tell(line=line)


async def answer(driver: Driver, call: str, arguments: list[Any]) -> None:
    begun = time.monotonic()
    try:
        result = await getattr(driver, call)(*arguments)
    except HiveError as error:
        reason = error.reason if isinstance(error, BuildFailed) else error.code
        tell(failed=reason, text=str(error), seconds=time.monotonic() - begun)
    else:
        tell(result=result, seconds=time.monotonic() - begun)


async def main(eval_seconds: float, build_seconds: float) -> None:
    os.umask(0o077)  # as the service has it
    async with AsyncExitStack() as stack:
        bus = LastingBus()
        await bus.open()
        stack.push_async_callback(bus.close)
        nix = Nix(
            *(JOBS, FLAKE, ROOTS, Units(bus), Room(FreeSpace((STORE,)), LOW)),
            eval_seconds=eval_seconds,
            build_seconds=build_seconds,
        )
        driver = Driver(nix)
        tell(pid=os.getpid())
        while line := await asyncio.to_thread(sys.stdin.readline):
            await answer(driver, *json.loads(line))


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
