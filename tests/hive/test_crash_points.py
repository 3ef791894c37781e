"""An operation whose service dies at any step is finished by the next one, and acts once."""

import random
from collections.abc import Awaitable, Callable

import pytest

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Delivery
from hyperhive.protocol.verbs import RequestSpawn
from tests.hive.conftest import MakeWorld
from tests.hive.crash_points import is_settled, recover, run_until_settled_or_dead
from tests.hive.world import MANAGER, TWO, WORKER, World
from tests.support.wait import wait_for

Order = Callable[[World], Awaitable[object]]
MOST = 80
"""Steps; no operation needs as many."""


async def approved_spawn(world: World) -> None:
    request = RequestSpawn(name="carol", key="k")
    answer = await world.hive.approvals.request_spawn(OPERATOR_SENDER, request)
    await world.hive.approvals.approve(answer["id"])


def kill(world: World) -> Awaitable[object]:
    return world.hive.agents.kill("bob")


def restart(world: World) -> Awaitable[object]:
    return world.hive.agents.restart("bob")


def destroy(world: World) -> Awaitable[object]:
    return world.hive.agents.destroy("bob", purge=False)


def purge(world: World) -> Awaitable[object]:
    return world.hive.agents.destroy("bob", purge=True)


async def busy(make_world: MakeWorld) -> World:
    """Everyone runs; bob, who is not declared, is in a turn, is asked something and has asked."""
    world = await make_world(declared={"manager": MANAGER, "alice": WORKER})
    await world.hive.agents.spawn("bob")
    await recover(world)
    await world.send("alice", "bob")
    await world.connect("bob")
    await world.begin("bob")
    await world.ask("alice", to="bob")
    await world.ask("bob", to="alice")
    world.runtime.history.clear()
    return world


async def each_death(make_world: MakeWorld, order: Order) -> list[World]:
    """For each step a world whose service died there and was started anew; the last did not die."""
    worlds = []
    for last in range(1, MOST):
        world = await busy(make_world)
        await order(world)
        steps = await run_until_settled_or_dead(world, last)
        await recover(world)
        worlds.append(world)
        if not steps.dead.is_set():
            return worlds
    raise AssertionError(f"more than {MOST} steps")


async def told_of_bob(world: World, event: str) -> int:
    told = await world.told("manager")
    return len([t for t in told if t["event"] == event and t["agent"] == "bob"])


async def test_a_kill(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, kill):
        assert world.runtime.history == ["stop bob-1"]
        assert await world.states("bob") == ["hello: accepted 1"]
        assert await told_of_bob(world, "stopped") == 1
        assert await told_of_bob(world, "container_crash") == 0


async def test_a_restart(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, restart):
        assert world.runtime.history == ["stop bob-1", "start bob-2"]
        assert await world.states("bob") == ["hello: accepted 1"]
        assert await told_of_bob(world, "started") == 1
        assert await told_of_bob(world, "container_crash") == 0


async def test_a_restart_leaves_the_turn_of_the_newer_run_alone(make_world: MakeWorld) -> None:
    resumed = 0
    for last in range(1, MOST):
        world = await busy(make_world)
        await restart(world)
        steps = await run_until_settled_or_dead(world, last)
        if "start bob-2" in world.runtime.history:
            await world.connect("bob", TWO)
            await world.begin("bob", "turn-two", TWO)
            world.clock.pass_by(1)
            resumed += not await is_settled(world)
            await recover(world)
            assert (await world.connect("bob", TWO, turn="turn-two"))["turn"] == "turn-two"
        if not steps.dead.is_set():
            break
    assert resumed >= 3


async def test_a_destroy(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, destroy):
        assert world.runtime.history == ["stop bob-1"]
        assert (await world.agent("bob")).state == "tombstone"
        assert "bob" in world.runtime.files
        assert "bob" not in world.sockets.opened
        assert await told_of_bob(world, "destroyed") == 1


async def revived(world: World) -> object:
    """While the destroying is still under way, as nobody waits for that."""
    await world.hive.agents.destroy("bob", purge=False)
    return await world.hive.agents.revive("bob")


async def test_a_revival(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, revived):
        assert world.runtime.history == ["stop bob-1", "start bob-2"]
        assert (await world.agent("bob")).state == "present"
        assert await world.states("bob") == ["hello: accepted 1"]
        assert await told_of_bob(world, "spawned") == 2
        assert await told_of_bob(world, "container_crash") == 0


async def test_a_revival_brings_back_what_was(make_world: MakeWorld) -> None:
    world = await busy(make_world)
    before = await world.agent("bob")
    await world.hive.agents.destroy("bob", purge=False)
    await recover(world)
    await world.send("alice", "bob", "while away")
    await world.hive.agents.revive("bob")
    await recover(world)
    bob = await world.agent("bob")
    assert (bob.id, bob.created_at) == (before.id, before.created_at)
    assert world.runtime.history == ["stop bob-1", "start bob-2"]
    states = await world.states("bob")
    assert states == ["hello: accepted 1", "while away: undeliverable 1"]


async def test_a_purge(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, purge):
        assert world.runtime.history[0] == "stop bob-1"
        assert set(world.runtime.history[1:]) == {"purge bob"}
        assert "bob" not in world.runtime.files
        assert await world.read(lambda tx: tx.agents.by_name("bob")) is None
        assert {d.state for d in await mail_of_bob(world)} == {"undeliverable"}
        assert await world.read(lambda tx: tx.questions.open()) == []
        told = [t for t in await world.told("alice") if t["event"] == "question_answered"]
        assert [t["answer"] for t in told] == ["[withdrawn]"]
        assert await told_of_bob(world, "destroyed") == 1


async def mail_of_bob(world: World) -> list[Delivery]:
    def query(tx: Transaction) -> list[Delivery]:
        return [d for d in tx.messages.recent(limit=100) if d.recipient == "bob"]

    return await world.read(query)


async def test_a_purge_never_meets_the_next_agent_of_the_name(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, purge):
        await world.hive.agents.spawn("bob")
        await recover(world)
        await recover(world)
        assert world.runtime.history[-1].startswith("start bob-")
        assert "bob" in world.runtime.files


async def test_an_approved_spawn(make_world: MakeWorld) -> None:
    for world in await each_death(make_world, approved_spawn):
        assert world.runtime.history == ["start carol-1"]
        (approval,) = await world.read(lambda tx: tx.approvals.recent())
        assert approval.state == "done"
        told = [t["agent"] for t in await world.told("manager") if t["event"] == "spawned"]
        assert told == ["bob", "carol"]


async def test_dying_while_recovering(make_world: MakeWorld) -> None:
    chance = random.Random(8)
    for order in (kill, restart, destroy, purge, approved_spawn):
        world = await busy(make_world)
        await order(world)
        for _ in range(20):
            await world.again()
            await run_until_settled_or_dead(world, chance.randint(1, 12))
        await recover(world)
        assert len([line for line in world.runtime.history if line == "stop bob-1"]) <= 1
        assert len([line for line in world.runtime.history if line.startswith("start")]) <= 1


@pytest.mark.parametrize("purge_it", [False, True])
async def test_nothing_happens_when_nothing_is_left_to_do(
    make_world: MakeWorld, purge_it: bool
) -> None:
    world = await busy(make_world)
    await world.hive.agents.destroy("bob", purge_it)
    await recover(world)
    history = list(world.runtime.history)
    events = len(await world.events())
    await recover(world)
    await wait_for(lambda: is_settled(world))
    assert world.runtime.history == history
    assert len(await world.events()) == events
