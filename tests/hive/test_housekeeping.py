"""What happens as time passes: deadlines at every tick, retention in small steps."""

import asyncio
from typing import Any

import pytest

from hyperhive.hive.housekeeping import STEP_ROWS, Housekeeping
from hyperhive.hive.policy import RetentionLimits
from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import StorageFull
from tests.hive.conftest import MakeWorld
from tests.hive.world import World
from tests.store import given
from tests.support.wait import wait_for

DAY = 86_400.0


def keeping(world: World) -> Housekeeping:
    hive = world.hive
    return Housekeeping(hive.store, hive.clock, hive.policy, hive.broker, hive.questions)


async def handled(world: World, count: int) -> None:
    """So many messages that were acknowledged."""

    def change(tx: Transaction) -> None:
        ids = [given.mail(tx, now=world.clock.now()) for _ in range(count)]
        tx.messages.settle(ids, "acked", "handled", world.clock.now())

    await world.database.write(change)


async def count_mail(world: World) -> int:
    return len(await world.read(lambda tx: tx.messages.recent(limit=10_000)))


async def test_old_mail_goes_and_young_mail_stays(world: World) -> None:
    await handled(world, 3)
    world.clock.pass_by(29 * DAY)
    await handled(world, 2)
    assert await keeping(world).sweep() == 0
    world.clock.pass_by(1.5 * DAY)
    await keeping(world).sweep()
    assert await count_mail(world) == 2


async def test_what_waits_is_never_swept(make_world: MakeWorld) -> None:
    world = await make_world(retention=RetentionLimits(messages=0))
    await world.send("alice", "bob", "waits")
    await world.send("alice", "manager", "held")
    await world.recv("manager")
    world.clock.pass_by(1_000 * DAY)
    await keeping(world).sweep()
    assert await world.states("bob") == ["waits: accepted 1"]
    assert await world.states("manager") == ["held: leased 1"]


async def test_a_sweep_takes_small_steps(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(retention=RetentionLimits(messages=10, events=10))
    await handled(world, 3 * STEP_ROWS)
    write, steps = world.database.write, []

    async def count(*args: Any, **kwargs: Any) -> Any:
        steps.append(await write(*args, **kwargs))
        return steps[-1]

    monkeypatch.setattr(world.database, "write", count)
    assert await keeping(world).sweep() > 2 * STEP_ROWS
    assert max(step or 0 for step in steps) == STEP_ROWS
    assert await count_mail(world) == 10


async def test_events_and_keys_are_bounded_too(make_world: MakeWorld) -> None:
    world = await make_world(retention=RetentionLimits(events=5))
    first = await world.send("alice", "bob", key="k")
    world.clock.pass_by(31 * DAY)
    await world.send("alice", "bob", "now")
    await keeping(world).sweep()
    assert len(await world.events()) <= 5
    assert (await world.send("alice", "bob", key="k"))["id"] != first["id"]


async def test_the_log_of_turns_goes_first(world: World) -> None:
    await world.database.write(lambda tx: tx.events.append("turn_text", "bob", {}, given.START))
    await world.send("alice", "bob", "the newest event stays, whatever it is")
    world.clock.pass_by(15 * DAY)
    await keeping(world).sweep()
    assert await world.events("turn_text") == []
    assert await world.events("agent")


async def test_deadlines_are_kept_while_it_runs(world: World) -> None:
    await world.ask("alice", ttl_seconds=60)
    await world.send("alice", "bob", ttl_seconds=60)
    task = asyncio.create_task(keeping(world).run())
    try:
        world.clock.pass_by(61)
        assert (await world.hear("alice", "operator_answered"))["status"] == "expired"

        async def expired() -> bool:
            return await world.states("bob") == ["hello: expired 1"]

        await wait_for(expired)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_full_disk_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hyperhive.hive.housekeeping.TICK_SECONDS", 0.02)
    await world.ask("alice", ttl_seconds=60)
    world.clock.pass_by(61)
    write = world.database.write

    async def refuse(*_: Any, **__: Any) -> Any:
        raise StorageFull("no space left")

    monkeypatch.setattr(world.database, "write", refuse)
    task = asyncio.create_task(keeping(world).run())
    try:
        await wait_for(lambda: caplog.text.count("no space left") >= 2)
        monkeypatch.setattr(world.database, "write", write)
        await world.hear("alice", "operator_answered")
    finally:
        task.cancel()
        await asyncio.wait([task])
