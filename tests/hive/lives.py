"""Waiting for what the reconciler makes of things."""

from tests.hive.crash_points import is_settled
from tests.hive.world import World
from tests.support.wait import wait_for


async def settled(world: World) -> None:
    await wait_for(lambda: is_settled(world), what="a settled service")


async def crashes(world: World, count: int) -> None:
    async def recorded() -> bool:
        return len(await world.events("crash")) == count

    await wait_for(recorded, what=f"{count} crashes")


async def running(world: World, run: str) -> None:
    name = run.partition("-")[0]

    def runs() -> bool:
        return name in world.runtime.runs and world.runtime.runs[name].id == run

    await wait_for(runs, what=f"{run}; {world.runtime.history}")
