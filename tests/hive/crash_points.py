"""A service that dies at a chosen one of its steps: what it did before that stays done."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hyperhive.hive import hive as rules
from hyperhive.hive.ports import Store, Transaction
from tests.hive.world import World
from tests.support.far_side import FakeSockets, go_on
from tests.support.wait import wait_for


class Steps:
    """Counts what goes out to store, runtime and sockets; from `last` on nothing goes on."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.names: list[str] = []
        self.dead = asyncio.Event()

    async def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) >= self.last:
            self.dead.set()
            await asyncio.Event().wait()


class SteppedStore:
    """The port `Store`, with a step before and after each change."""

    def __init__(self, store: Store, step: Steps) -> None:
        self._store = store
        self._step = step

    async def write(self, change: Callable[[Transaction], Any], **how: bool) -> Any:
        await self._step("write")
        result = await self._store.write(change, **how)
        await self._step("written")
        return result

    async def read(self, query: Callable[[Transaction], Any]) -> Any:
        return await self._store.read(query)

    def subscribe(self, listener: Callable[[Any], None]) -> Callable[[], None]:
        return self._store.subscribe(listener)


@asynccontextmanager
async def dying_at(world: World, last: int) -> AsyncIterator[Steps]:
    """A service over the world's rows that dies at its step of this number, if it gets there."""
    steps = Steps(last)
    store: Store = SteppedStore(world.database, steps)
    hive = rules.build(store, world.clock, world.rules_of, "api_key")
    world.sockets = FakeSockets()
    world.sockets.step = world.runtime.step = steps
    task = asyncio.create_task(hive.run(world.runtime, world.sockets, world.disk))
    try:
        yield steps
    finally:
        task.cancel()
        await asyncio.wait([task])
        world.runtime.step = go_on


async def is_settled(world: World) -> bool:
    """No operation is open, and exactly the wanted agents run."""

    def query(tx: Transaction) -> set[str] | None:
        if tx.operations.open():
            return None
        agents = tx.agents.all()
        return {a.name for a in agents if a.wanted == "running" and a.state == "present"}

    return await world.read(query) == set(world.runtime.runs)


async def run_until_settled_or_dead(world: World, last: int) -> Steps:
    async with dying_at(world, last) as steps:

        async def over() -> bool:
            return steps.dead.is_set() or await is_settled(world)

        await wait_for(over, what="a settled or a dead service")
    return steps


async def recover(world: World) -> None:
    """The service is started anew and runs until nothing is left to do."""
    await world.again()
    async with world.alive():
        await wait_for(lambda: is_settled(world), what="a settled service")
