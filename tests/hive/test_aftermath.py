"""What is recorded of an end, and how long a restart then has to wait."""

import itertools
from dataclasses import replace

import pytest

from hyperhive.hive.aftermath import Aftermath
from hyperhive.hive.ports import Ended, Invocation, Transaction
from hyperhive.hive.records import Event, OperationKind, RunEnd
from tests.hive.conftest import MakeWorld
from tests.hive.world import World


def aftermath(world: World) -> Aftermath:
    hive = world.hive
    return Aftermath(
        *(hive.store, hive.clock, hive.policy, hive.leases, hive.questions, hive.links)
    )


numbers = itertools.count()


def ended(name: str = "bob") -> Ended:
    """Of a run of its own."""
    return Ended(Invocation(name, f"{name}-{next(numbers)}", 0.0), "crash", 1)


async def crash(world: World) -> float:
    """Bob crashes; the seconds until it may be started again."""
    after = aftermath(world)
    await after.record(ended())
    return await after.restart_delay(await world.agent("bob"))


async def test_the_delay_doubles_up_to_a_minute(make_world: MakeWorld) -> None:
    world = await make_world(restart_delay_seconds=10.0, crash_limit=100)
    assert [await crash(world) for _ in range(5)] == [10, 20, 40, 60, 60]


async def test_after_a_while_of_running_the_delay_begins_anew(make_world: MakeWorld) -> None:
    world = await make_world(restart_delay_seconds=10.0, crash_limit=100)
    assert [await crash(world) for _ in range(4)] == [10, 20, 40, 60]
    world.clock.pass_by(world.rules_of.crash_window_seconds + 1)
    assert [await crash(world) for _ in range(2)] == [10, 20]


@pytest.mark.parametrize(
    ("expected", "unexpected"), [(False, True), (True, False)], ids=["crash", "stop"]
)
async def test_the_last_end_is_kept(world: World, expected: bool, unexpected: bool) -> None:
    await aftermath(world).record(
        Ended(Invocation("bob", "bob-1", 0.0), "oom", -9), expected=expected
    )
    agent = await world.agent("bob")
    assert agent.last_end == RunEnd("oom", -9, world.clock.now(), unexpected, "bob-1")
    view = await world.read(lambda tx: world.hive.views.agent(tx, agent))
    assert (view["last_end"]["reason"], view["last_end"]["exit"]) == ("oom", -9)


async def test_an_end_that_is_told_again_is_no_second_crash(world: World) -> None:
    end = ended()
    for _ in range(2):
        await aftermath(world).record(end)
    assert len(await crashes_of_bob(world)) == 1
    await aftermath(world).record(ended())
    assert len(await crashes_of_bob(world)) == 2


async def test_the_end_that_an_unfinished_restart_meant_is_no_crash(world: World) -> None:
    operation = await world.hive.agents.restart("bob")
    end = ended()
    aimed = replace(operation, invocation=end.invocation.id)
    await world.database.write(lambda tx: tx.operations.save(aimed))
    await aftermath(world).record(end)
    assert await crashes_of_bob(world) == []
    await aftermath(world).record(ended())
    assert len(await crashes_of_bob(world)) == 1


async def crashes_of_bob(world: World) -> list[Event]:
    return await world.read(lambda tx: tx.events.crashes("bob", 0.0))


async def test_no_number_of_crashes_is_too_large(make_world: MakeWorld) -> None:
    world = await make_world(restart_delay_seconds=1.0, crash_limit=2_000)

    def crash_often(tx: Transaction) -> None:
        for _ in range(1_500):
            tx.events.append("crash", "bob", {"restart": {}}, world.clock.now())

    await world.database.write(crash_often)
    assert await crash(world) == 60


async def test_without_a_crash_there_is_no_delay(world: World) -> None:
    assert await aftermath(world).restart_delay(await world.agent("bob")) == 0


@pytest.mark.parametrize("step", [-3_600.0, -86_400.0, 300.0])
async def test_a_clock_step_neither_shortens_nor_prolongs_the_delay(
    make_world: MakeWorld, step: float
) -> None:
    world = await make_world(restart_delay_seconds=10.0)
    assert await crash(world) == 10
    world.clock.wall += step
    world.clock.pass_by(9)
    assert await aftermath(world).restart_delay(await world.agent("bob")) == 1
    world.clock.pass_by(1)
    assert await aftermath(world).restart_delay(await world.agent("bob")) == 0


async def test_the_delay_is_known_to_the_next_service(make_world: MakeWorld) -> None:
    world = await make_world(restart_delay_seconds=10.0)
    await crash(world)
    world.clock.pass_by(4)
    await world.again()
    assert await aftermath(world).restart_delay(await world.agent("bob")) == 6
    world.clock.reboot(seconds=2)
    assert await aftermath(world).restart_delay(await world.agent("bob")) == pytest.approx(4)


@pytest.mark.parametrize(
    "change", [{"wanted": "stopped"}, {"quarantined": "why"}, {"state": "tombstone"}], ids=str
)
async def test_the_end_of_what_is_not_wanted_is_no_crash(
    world: World, change: dict[str, str]
) -> None:
    await world.save("bob", **change)
    await aftermath(world).record(end := ended())
    assert await world.events("crash") == []
    (event,) = await world.events("ended")
    assert (event.agent, event.data) == (
        "bob",
        {"invocation": end.invocation.id, "reason": "crash", "exit": 1},
    )
    assert await world.told("manager") == []


async def test_an_expected_end_blames_no_message(world: World) -> None:
    await world.send("alice", "bob")
    await world.recv("bob")
    await aftermath(world).record(ended(), expected=True)
    assert await world.states("bob") == ["hello: accepted 1"]
    assert await world.told("manager") == []


async def test_the_end_of_an_unknown_agent_is_nobodys(world: World) -> None:
    assert await aftermath(world).record(ended("nobody")) is None
    assert await world.events("crash", "ended") == []


async def test_the_limit_of_crashes_is_reached_once(make_world: MakeWorld) -> None:
    world = await make_world(crash_limit=2)
    for _ in range(4):
        await aftermath(world).record(ended())
    assert len(await world.events("crash")) == 2
    assert (await world.agent("bob")).quarantined
    told = [t for t in await world.told("manager") if "quarantined" in t]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("kind", "crashed"), [("stop", False), ("destroy", False), ("start", True)]
)
async def test_an_end_that_was_ordered_is_no_crash_whoever_lived_to_see_it(
    world: World, kind: OperationKind, crashed: bool
) -> None:
    """Though it is wanted again by now: killed and started, or destroyed and revived."""
    bob = await world.id("bob")
    await world.database.write(lambda tx: tx.operations.add(kind, bob, "bob", "operator", 0.0))
    await aftermath(world).record(ended())
    assert len(await world.events("crash")) == crashed


async def test_a_start_is_noted_with_its_run(world: World) -> None:
    await aftermath(world).started(await world.agent("bob"), "bob-9")
    assert (await world.agent("bob")).run == "bob-9"


async def test_what_was_linked_is_forgotten_with_the_run(world: World) -> None:
    await world.connect("bob")
    await aftermath(world).stopped(await world.agent("bob"))
    assert world.hive.links.get(await world.id("bob")) is None
