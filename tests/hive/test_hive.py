"""The rules together: what starts with the service, and that its tasks do not end by themselves."""

import asyncio

import pytest

from hyperhive.hive import hive as rules
from hyperhive.protocol.errors import StorageFull
from tests.hive.conftest import MakeWorld
from tests.hive.lives import running, settled
from tests.hive.world import World
from tests.store.given import StepClock
from tests.support.wait import wait_for


async def test_mail_and_events_reach_those_who_wait(world: World) -> None:
    rung: list[int] = []
    world.hive.bells.on_mail(rung.append)
    await world.send("alice", "bob")
    assert rung == [await world.id("bob")]


async def test_all_its_tasks_run(make_world: MakeWorld) -> None:
    """Housekeeping expires, leases end, the reconciler starts: each told from what it does."""
    world = await make_world(lease_seconds=0.1)
    await world.send("alice", "bob")
    await world.recv("bob")
    await world.ask("alice", ttl_seconds=1)
    async with world.alive():
        await settled(world)
        world.clock.pass_by(2)
        await world.hear("alice", "operator_answered")

        async def given_back() -> bool:
            return await world.states("bob") == ["hello: accepted 2"]

        await wait_for(given_back)


async def test_a_service_starts_on_a_full_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only what is essential is written."""
    write = world.database.write

    async def refuse(change: object, *, essential: bool = False, durable: bool = True) -> object:
        if not essential:
            raise StorageFull("no space left")
        return await write(change, essential=True)  # type: ignore[arg-type]  # as it came

    await world.send("alice", "bob")
    await world.connect("bob")
    await world.begin("bob")
    monkeypatch.setattr(world.database, "write", refuse)
    await world.again()
    async with world.alive():
        await running(world, "bob-1")
        with pytest.raises(StorageFull):
            await world.send("alice", "bob")
        welcome = await world.connect("bob", turn="turn-one", fit=False)
        assert welcome["turn"] == "turn-one"
        assert await world.end("bob") == "clean"
        await world.hive.agents.kill("bob")
        await settled(world)
    assert await world.states("bob") == ["hello: acked 1"]


async def test_two_services_over_one_log_see_the_same(world: World) -> None:
    other = rules.build(world.database, StepClock(), world.rules_of, "api_key")
    last = await other.events.last()
    reading = asyncio.create_task(anext(other.events.follow(last)))
    await world.send("alice", "bob")
    async with asyncio.timeout(5):
        assert [e.kind for e in await reading] == ["message"]


async def test_what_changes_while_it_ends_is_left_to_the_next(world: World) -> None:
    """And is no fault, though the tasks that would see to it are at their end."""
    stopping = asyncio.Event()

    async def step(name: str) -> None:
        if name == "stop":
            stopping.set()
            try:
                await asyncio.Event().wait()
            finally:
                await world.hive.agents.kill("alice")

    async with world.alive():
        await settled(world)
        world.runtime.step = step
        await world.hive.agents.kill("bob")
        await stopping.wait()
    assert (await world.agent("alice")).wanted == "stopped"
    assert "alice" in world.runtime.runs
