"""Runs that end by themselves: told, mended, and after too many put in quarantine."""

import pytest

from hyperhive.hive.ports import EndReason
from tests.hive.conftest import MakeWorld
from tests.hive.crash_points import recover
from tests.hive.lives import crashes, running, settled
from tests.hive.world import World
from tests.support.wait import let_time_pass, wait_for

EVERYONE = {"manager", "alice", "bob"}


async def test_a_crash_is_told_and_mended(world: World) -> None:
    await world.send("alice", "bob")
    async with world.alive():
        await settled(world)
        await world.connect("bob")
        await world.begin("bob")
        world.runtime.end("bob", "oom", -9)
        told = await world.hear("manager", "container_crash")
        await running(world, "bob-2")
    assert told == {
        "event": "container_crash",
        "agent": "bob",
        "reason": "oom",
        "exit": -9,
        "attempt": 1,
    }
    (event,) = await world.events("crash")
    facts = {"invocation": "bob-1", "reason": "oom", "exit": -9}
    assert event.agent == "bob"
    assert facts.items() <= event.data.items()
    assert await world.states("bob") == ["hello: accepted 2"]


async def test_the_managers_own_crash_is_told_to_the_operator(world: World) -> None:
    async with world.alive():
        await settled(world)
        world.runtime.end("manager", "crash", 1)
        told = await world.hear("operator", "container_crash")
        await running(world, "manager-2")
    assert told["agent"] == "manager"
    assert await world.told("manager") == []


async def test_a_clean_exit_while_running_is_wanted_is_a_crash_too(world: World) -> None:
    async with world.alive():
        await settled(world)
        world.runtime.end("bob", "clean", 0)
        assert (await world.hear("manager", "container_crash"))["reason"] == "clean"


async def test_crashes_end_in_a_quarantine_that_outlives_the_service(world: World) -> None:
    async with world.alive():
        for count in range(1, 6):
            await running(world, f"bob-{count}")
            world.runtime.end("bob")
            await crashes(world, count)
        await settled_without_bob(world)
        told = await world.hear("manager", "container_crash")
    assert (told["attempt"], told["quarantined"]) == (
        5,
        "5 crashes within 10 minutes; start it to try again",
    )
    await world.again()
    async with world.alive():
        await settled_without_bob(world)
        await world.hive.agents.start("bob")
        await running(world, "bob-6")
        world.runtime.end("bob")  # the count begins anew
        await crashes(world, 6)
        assert (await world.hear("manager", "container_crash"))["attempt"] == 1
        await running(world, "bob-7")
    assert (await world.agent("bob")).quarantined is None


# --- ends that no service was there to see ---


async def all_run(world: World) -> None:
    """And it is written down."""

    async def noted() -> bool:
        runs = {run.agent: run.id for run in world.runtime.runs.values()}
        return runs == {name: (await world.agent(name)).run for name in EVERYONE}

    await world.again()
    async with world.alive():
        await wait_for(noted)


@pytest.mark.parametrize("reason", ["clean", "unknown"])
async def test_an_end_that_nobody_saw_is_a_crash_once(world: World, reason: EndReason) -> None:
    await all_run(world)
    world.runtime.end("bob", reason, None)
    for _ in range(2):
        await all_run(world)
    assert world.runtime.runs["bob"].id == "bob-2"
    (event,) = await world.events("crash")
    facts = {"invocation": "bob-1", "reason": reason, "exit": None}
    assert facts.items() <= event.data.items()
    assert [told["reason"] for told in await world.told("manager")] == [reason]


async def test_it_is_recorded_before_an_order_is_carried_out(world: World) -> None:
    await all_run(world)
    world.runtime.end("bob", "clean", 0)
    await world.hive.agents.start("bob")
    await all_run(world)
    assert len(await world.events("crash")) == 1
    assert (await world.agent("bob")).run == "bob-2"


async def test_an_end_with_the_machine_or_the_hive_is_no_crash(world: World) -> None:
    await all_run(world)
    for name in EVERYONE:
        world.runtime.end(name, "clean", 0)
    world.clock.reboot()
    await all_run(world)
    assert world.runtime.runs.keys() == EVERYONE
    await world.hive.expect_ends()
    for name in EVERYONE:
        world.runtime.end(name, "killed", -15)
    await recover(world)
    assert await world.events("crash") == []


async def test_an_end_for_want_of_space_is_no_crash(world: World) -> None:
    await all_run(world)
    world.disk.free = 0.01
    world.runtime.end("bob", "killed", -15)
    await world.again()
    async with world.alive():
        await wait_for(lambda: not world.runtime.runs)
    world.disk.free = 0.5
    await recover(world)
    assert await world.events("crash") == []


async def settled_without_bob(world: World) -> None:
    """Everyone else runs, and a while later bob still does not."""
    await wait_for(lambda: world.runtime.runs.keys() == {"manager", "alice"})
    assert (await world.agent("bob")).quarantined
    await let_time_pass(0.3)
    assert world.runtime.runs.keys() == {"manager", "alice"}


async def test_old_crashes_do_not_count(world: World) -> None:
    async with world.alive():
        for count in range(1, 8):
            await running(world, f"bob-{count}")
            world.runtime.end("bob")
            await crashes(world, count)
            world.clock.pass_by(151)  # so that four are within ten minutes
        await running(world, "bob-8")
    assert (await world.agent("bob")).quarantined is None


async def test_crashes_of_an_earlier_agent_of_the_name_do_not_count(world: World) -> None:
    async with world.alive():
        for count in range(1, 5):
            await running(world, f"bob-{count}")
            world.runtime.end("bob")
            await crashes(world, count)
        await running(world, "bob-5")
        await world.hive.agents.destroy("bob", purge=True)
        await world.hear("manager", "destroyed")
        world.clock.pass_by(1)
        await world.hive.agents.spawn("bob")
        await running(world, "bob-6")
        world.runtime.end("bob")
        await crashes(world, 5)
        await running(world, "bob-7")
        assert (await world.hear("manager", "container_crash"))["attempt"] == 1


async def test_a_restart_waits_for_its_time(make_world: MakeWorld) -> None:
    world = await make_world(restart_delay_seconds=0.3)
    async with world.alive():
        await settled(world)
        world.runtime.end("bob")
        await crashes(world, 1)
        await let_time_pass(0.5)
        assert "bob" not in world.runtime.runs  # the clock stands still
        world.clock.pass_by(0.3)
        await running(world, "bob-2")


async def test_an_end_that_was_ordered_is_no_crash(world: World) -> None:
    """Although it is wanted again by then."""
    await all_run(world)
    await world.hive.agents.kill("bob")
    world.runtime.end("bob", "killed", -15)  # by a service that saw nothing more
    await world.hive.agents.start("bob")
    await recover(world)
    assert await world.events("crash") == []
    assert world.runtime.runs["bob"].id == "bob-2"
