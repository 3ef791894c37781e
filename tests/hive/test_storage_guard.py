"""Little room on the disk: no turn, then no agent, until there is enough again."""

import logging

import pytest

from hyperhive.hive.storage_guard import Level, Storage, StorageGuard, next_level
from hyperhive.protocol.errors import StorageFull
from tests.hive.crash_points import recover
from tests.hive.lives import running, settled
from tests.hive.world import World
from tests.support.wait import let_time_pass, wait_for


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperhive.hive.storage_guard.LOOK_SECONDS", 0.02)


@pytest.mark.parametrize(
    ("level", "free", "then"),
    [
        ("enough", 0.10, "enough"),
        ("enough", 0.0999, "low"),
        ("enough", 0.05, "low"),
        ("enough", 0.0499, "critical"),
        ("low", 0.1199, "low"),
        ("low", 0.12, "enough"),
        ("low", 0.0, "critical"),
        ("critical", 0.1199, "critical"),
        ("critical", 0.12, "enough"),
    ],
)
def test_levels_change_with_a_gap(level: Level, free: float, then: Level) -> None:
    assert next_level(level, free) == then


async def told_of_storage(world: World, name: str) -> list[str]:
    return [t["level"] for t in await world.told(name) if t["event"] == "storage_low"]


async def levels(world: World) -> list[str]:
    return [str(e.data["level"]) for e in await world.events("storage")]


async def reached(world: World, *expected: str) -> None:
    async def are() -> bool:
        return await levels(world) == list(expected)

    await wait_for(are, what=f"levels {expected}")


async def state(world: World, name: str) -> tuple[str, str | None]:
    """Its state, and the reason of its hold."""
    agent = await world.agent(name)
    view = await world.read(lambda tx: world.hive.views.agent(tx, agent))
    return view["state"], view["hold"] and view["hold"]["reason"]


async def test_while_space_is_low_no_turn_starts(world: World) -> None:
    await world.connect("bob")
    async with world.alive():
        await world.send("alice", "bob")
        world.disk.free = 0.08
        await reached(world, "low")
        answer = await world.begin("bob")
        assert answer["messages"] == []
        assert 0 < answer["retry_after"] <= 10
        assert await state(world, "bob") == ("held", "storage_low")
        assert world.runtime.runs.keys() == {"manager", "alice", "bob"}
        world.disk.free = 0.5
        await reached(world, "low", "enough")
        assert await state(world, "bob") == ("idle", None)
        assert await world.bodies("bob") == ["hello"]


async def test_a_turn_under_way_ends_as_usual(world: World) -> None:
    await world.connect("bob")
    async with world.alive():
        await world.send("alice", "bob")
        assert await world.bodies("bob") == ["hello"]
        world.disk.free = 0.08
        await reached(world, "low")
        assert await world.bodies("bob") == ["hello"]  # its first answer was lost
        assert await world.end("bob") == "clean"
    assert await world.states("bob") == ["hello: acked 1"]


async def test_each_level_is_told_once(world: World) -> None:
    async with world.alive():
        world.disk.free = 0.08
        await reached(world, "low")
        world.disk.free = 0.11
        await let_time_pass(0.1)
        world.disk.free = 0.07
        await let_time_pass(0.1)
        assert await told_of_storage(world, "manager") == ["low"]
        assert await told_of_storage(world, "operator") == ["low"]
        world.disk.free = 0.01
        await reached(world, "low", "critical")
    told = await world.told_last("operator")
    assert told["note"] == "only 1% of the disk is free: agents are stopped until 12% are"
    unread = [d.message.body for d in await world.inbox("operator") if d.state == "accepted"]
    assert len(unread) == 1  # the first one says nothing new any more


async def test_agents_are_stopped_and_come_back_by_themselves(world: World) -> None:
    async with world.alive():
        await settled(world)
        await world.hive.agents.kill("alice")
        await settled(world)
        await world.connect("bob")
        await world.send("manager", "bob")
        await world.begin("bob")
        world.disk.free = 0.04
        await wait_for(lambda: world.runtime.runs == {}, what="all to be stopped")
        await wait_for(lambda: given_back(world), what="the mail to be given back")
        assert (await world.agent("bob")).wanted == "running"
        assert await world.events("crash") == []
        world.disk.free = 0.11
        await let_time_pass(0.1)
        assert world.runtime.runs == {}
        world.disk.free = 0.12
        await running(world, "bob-2")
        await running(world, "manager-2")
        await settled(world)
    assert "alice" not in world.runtime.runs


async def given_back(world: World) -> bool:
    return await world.states("bob") == ["hello: accepted 1"]


async def test_nobody_is_started_meanwhile(world: World) -> None:
    world.disk.free = 0.04
    async with world.alive():
        await reached(world, "critical")
        await world.hive.agents.start("bob")
        told = await world.hear("manager", "started")
        assert not told["ok"]
        assert "only 4% of the disk is free" in told["note"]
        assert await state(world, "bob") == ("held", "storage_low")
        assert world.runtime.history == []
        world.disk.free = 0.5
        await settled(world)
    assert len(world.runtime.history) == 3


async def test_the_level_is_known_to_the_next_service(world: World) -> None:
    world.disk.free = 0.04
    async with world.alive():
        await reached(world, "critical")
    world.disk.free = 0.08
    await world.again()
    async with world.alive():
        await let_time_pass(0.2)
        assert world.runtime.history == []
        assert await told_of_storage(world, "operator") == ["critical"]
        assert world.hive.storage.problem.startswith("only 8% of the disk")
        world.disk.free = 0.2
        await settled(world)
    await recover(world)
    assert len(world.runtime.history) == 3


async def test_what_cannot_be_measured_changes_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.disk.trouble = "it hangs"
    async with world.alive():
        await settled(world)
        await wait_for(lambda: "it hangs" in caplog.text)
        await let_time_pass(0.1)
        assert caplog.text.count("it hangs") == 1
        world.disk.trouble, world.disk.free = "", 0.01
        await reached(world, "critical")


async def test_a_level_that_cannot_be_written_counts_at_once_and_is_written_later(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    storage, full = Storage(), True

    class Store:
        async def write(self, change: object, **how: object) -> object:
            if full:
                raise StorageFull("no room")
            return await world.database.write(change, **how)  # type: ignore[arg-type]  # passed on

    guard = StorageGuard(Store(), world.clock, storage, world.disk)  # type: ignore[arg-type]  # all that it uses
    world.disk.free = 0.01
    with caplog.at_level(logging.WARNING):
        await guard.look()
    assert "no room" in caplog.text
    assert storage.critical
    full = False
    await guard.look()
    await guard.look()
    assert await levels(world) == ["critical"]
