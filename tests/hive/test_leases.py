"""How long a lease holds, what ends it, and what outlasts a restart of service or host."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hyperhive.hive.leases import Leases
from hyperhive.protocol.errors import Busy, LeaseExpired
from tests.hive.conftest import MakeWorld
from tests.hive.world import ONE, TWO, World
from tests.support.wait import let_time_pass, wait_for

SOON = 1.0
"""Seconds that a lease lasts here."""


@asynccontextmanager
async def watched(leases: Leases) -> AsyncIterator[None]:
    """With the task that ends leases."""
    task = asyncio.create_task(leases.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), task.exception()


async def returned(world: World, name: str = "bob") -> list[str]:
    async def given_back() -> list[str] | None:
        states = await world.states(name)
        return states if any("accepted" in state for state in states) else None

    return await wait_for(given_back, 5, "a message given back")


# --- deadlines ---


async def test_a_lease_ends_without_a_sign_of_life(make_world: MakeWorld) -> None:
    world = await make_world(lease_seconds=SOON)
    await world.send("alice", "bob")
    async with watched(world.hive.leases):
        await world.recv("bob")
        begun = asyncio.get_running_loop().time()
        assert await returned(world) == ["hello: accepted 2"]
    assert asyncio.get_running_loop().time() - begun >= SOON * 0.9


async def test_heartbeats_keep_a_lease(make_world: MakeWorld) -> None:
    world = await make_world(lease_seconds=SOON)
    await world.send("alice", "bob")
    await world.connect("bob")
    id_ = await world.id("bob")
    async with watched(world.hive.leases):
        await world.begin("bob")
        for _ in range(5):
            await let_time_pass(SOON / 3)
            world.hive.turns.heartbeat(id_, ONE)
        assert await world.states("bob") == ["hello: leased 1"]
        assert await returned(world) == ["hello: accepted 2"]
    with pytest.raises(LeaseExpired, match="the turn is lost"):
        await world.recv("bob", turn="turn-one")


async def test_a_lost_link_leaves_a_lease_time_of_grace(make_world: MakeWorld) -> None:
    world = await make_world(lease_seconds=SOON)
    await world.send("alice", "bob")
    await world.connect("bob")
    async with watched(world.hive.leases):
        await world.begin("bob")
        await let_time_pass(SOON * 0.6)
        await world.hive.turns.unlinked(await world.id("bob"), ONE)
        await let_time_pass(SOON * 0.6)
        assert await world.states("bob") == ["hello: leased 1"]
        assert await returned(world) == ["hello: accepted 2"]


async def test_a_call_prolongs_what_a_client_without_turns_holds(make_world: MakeWorld) -> None:
    world = await make_world(lease_seconds=SOON)
    await world.send("alice", "bob")
    async with watched(world.hive.leases):
        (message,) = await world.recv("bob")
        for _ in range(4):
            await let_time_pass(SOON / 2)
            await world.recv("bob")
        await world.recv("bob", ack=(message["delivery"],))
    assert await world.states("bob") == ["hello: acked 1"]


async def test_a_lease_is_a_minute_unless_said_otherwise(world: World) -> None:
    assert world.rules_of.lease_seconds == 60


async def test_a_store_that_refuses_is_asked_again(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hyperhive.hive.leases.RETRY_SECONDS", 0.1)
    world = await make_world(lease_seconds=0.1)
    await world.send("alice", "bob")
    write, refusals = world.database.write, 2

    async def refuse(*args: object, **kwargs: object) -> object:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise Busy("another program has the database")
        return await write(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    await world.recv("bob")
    monkeypatch.setattr(world.database, "write", refuse)
    async with watched(world.hive.leases):
        assert await returned(world) == ["hello: accepted 2"]
    assert caplog.text.count("another program has the database") == 2


# --- attempts ---


async def test_failed_attempts_back_off_and_end_as_a_dead_letter(world: World) -> None:
    id_ = (await world.send("alice", "bob"))["id"]
    bob = await world.id("bob")
    for attempt, pause in enumerate((5, 30, 120, 600), start=1):
        assert [m["attempt"] for m in await world.recv("bob")] == [attempt]
        await world.hive.leases.lose(bob, ONE)
        world.clock.pass_by(pause - 0.5)
        assert await world.recv("bob") == []
        world.clock.pass_by(0.6)
    assert [m["attempt"] for m in await world.recv("bob")] == [5]
    await world.hive.leases.lose(bob, ONE)
    assert await world.states("bob") == ["hello: dead 5"]
    reason = "the agent's process ended"
    told = {"event": "dead_letter", "agent": "bob", "id": id_, "reason": reason}
    assert await world.told("operator") == [told]
    (event,) = await world.events("dead_letter")
    assert event.data == {"agent": "bob", "id": id_, "reason": reason}
    assert [d.id for d in await world.read(lambda tx: tx.messages.in_state("dead"))]


@pytest.mark.parametrize("step", [3_600.0, -3_600.0, 86_400.0, -86_400.0])
async def test_a_clock_step_moves_no_back_off(world: World, step: float) -> None:
    await world.send("alice", "bob")
    await world.recv("bob")
    await world.hive.leases.lose(await world.id("bob"), ONE)
    world.clock.wall += step
    world.clock.pass_by(4)
    assert await world.recv("bob") == []
    world.clock.pass_by(2)
    assert len(await world.recv("bob")) == 1


async def test_a_failed_message_lets_the_next_ones_pass(world: World) -> None:
    await world.send("alice", "bob", "one")
    await world.recv("bob")
    await world.send("alice", "bob", "two")
    await world.hive.leases.lose(await world.id("bob"), ONE)
    assert [m["body"] for m in await world.recv("bob")] == ["two"]


# --- restarts ---


async def test_a_restart_of_the_service_gives_grace_and_blames_nobody(
    make_world: MakeWorld,
) -> None:
    world = await make_world(lease_seconds=SOON)
    await world.send("alice", "bob")
    await world.connect("bob")
    await world.begin("bob")
    await let_time_pass(SOON * 1.2)  # nobody watches: the service is down
    await world.again()
    async with watched(world.hive.leases):
        await let_time_pass(SOON / 2)
        assert await world.states("bob") == ["hello: leased 1"]
        welcome = await world.connect("bob", turn="turn-one")
        assert welcome["turn"] == "turn-one"
        assert await world.end("bob") == "clean"
    assert await world.states("bob") == ["hello: acked 1"]


async def test_who_does_not_come_back_after_a_restart_loses_its_leases(
    make_world: MakeWorld,
) -> None:
    world = await make_world(lease_seconds=SOON)
    await world.send("alice", "bob")
    await world.connect("bob")
    await world.begin("bob")
    await world.again()
    async with watched(world.hive.leases):
        assert await returned(world) == ["hello: accepted 2"]
    turn = await world.read(lambda tx: tx.turns.get("turn-one"))
    assert turn is not None
    assert turn.state == "lost"


async def test_a_new_boot_ends_every_lease_at_once(world: World) -> None:
    await world.send("alice", "bob")
    await world.send("bob", "alice")
    await world.connect("bob")
    await world.begin("bob")
    await world.recv("alice")
    world.clock.reboot()
    await world.again()
    assert await world.states("bob") == await world.states("alice") == ["hello: accepted 2"]
    welcome = await world.connect("bob", turn="turn-one")
    assert welcome["turn"] is None
    assert await world.end("bob") == "lost"
    assert await world.states("bob") == ["hello: accepted 2"]
    (ended,) = await world.events("turn_ended")
    assert (ended.agent, ended.data) == ("bob", {"turn": "turn-one", "result": "lost"})


async def test_a_boot_counts_once(world: World) -> None:
    await world.send("alice", "bob")
    await world.recv("bob")
    world.clock.reboot()
    await world.again()
    world.clock.pass_by(10)
    assert len(await world.recv("bob")) == 1
    await world.again()
    assert await world.states("bob") == ["hello: leased 2"]


async def test_another_instance_keeps_what_it_holds(world: World) -> None:
    await world.send("alice", "bob", "one")
    await world.recv("bob", ONE)
    await world.send("alice", "bob", "two")
    await world.recv("bob", TWO)
    await world.hive.leases.lose(await world.id("bob"), ONE)
    assert await world.states("bob") == ["one: accepted 2", "two: leased 1"]
