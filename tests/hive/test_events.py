"""The live stream: resumed without a gap, or told to begin anew."""

import asyncio
from contextlib import aclosing

import pytest

from hyperhive.hive.events import PAGE, Reset
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Event
from tests.hive.world import World
from tests.support.wait import let_time_pass


async def append(world: World, count: int = 1, agent: str = "alice", kind: str = "x") -> int:
    """Returns the number of the last one."""

    def change(tx: Transaction) -> int:
        return [tx.events.append(kind, agent, {}, world.clock.now()) for _ in range(count)][-1]

    return await world.database.write(change)


async def forget(world: World, count: int) -> None:
    """Retention removes the oldest."""
    keep = await world.hive.events.last() - count
    await world.database.write(lambda tx: tx.retention.events(0, 0, keep, 100_000))


async def read_until(
    world: World, last: int, after: int = 0, agent: str | None = None
) -> list[Event]:
    seen: list[Event] = []
    async with asyncio.timeout(10), aclosing(world.hive.events.follow(after, agent)) as stream:
        async for events in stream:
            seen += events
            if seen[-1].seq >= last:
                break
    return seen


async def test_a_stream_begins_after_its_number(world: World) -> None:
    last = await append(world, 10)
    seen = await read_until(world, last, last - 4)
    assert [e.seq for e in seen] == [last - 3, last - 2, last - 1, last]


async def test_what_is_written_while_one_reads_is_seen_once_and_in_order(world: World) -> None:
    begin = await world.hive.events.last()
    total = 3 * PAGE
    reading = [asyncio.create_task(read_until(world, begin + total, begin)) for _ in range(3)]
    for _ in range(total // 100):
        await append(world, 100)
    for seen in await asyncio.gather(*reading):
        assert [e.seq for e in seen] == list(range(begin + 1, begin + total + 1))


async def test_a_reconnect_at_any_place_has_no_gap(world: World) -> None:
    begin = await world.hive.events.last()
    last = await append(world, 20)
    for place in range(begin, last):
        seen = await read_until(world, last, place)
        assert [e.seq for e in seen] == list(range(place + 1, last + 1))


async def test_a_stream_of_one_agent_has_its_events_alone(world: World) -> None:
    begin = await world.hive.events.last()
    for agent in ("alice", "bob") * 5:
        last = await append(world, 1, agent)
    seen = await read_until(world, last, begin, "bob")
    assert {e.agent for e in seen} == {"bob"}
    assert len(seen) == 5


async def test_a_place_that_is_no_longer_in_the_log_is_reset(world: World) -> None:
    last = await append(world, 50)
    await forget(world, 30)
    floor = await world.read(lambda tx: tx.events.floor())
    assert len(await read_until(world, last, floor)) == last - floor
    with pytest.raises(Reset):
        await read_until(world, last, floor - 1)


async def test_a_place_in_the_future_is_reset(world: World) -> None:
    last = await append(world)
    with pytest.raises(Reset):
        await read_until(world, last, last + 1)


async def test_after_everything_was_removed_one_goes_on_from_the_last(world: World) -> None:
    last = await append(world, 5)
    await forget(world, last)
    reading = asyncio.create_task(read_until(world, last + 1, last))
    await append(world)
    assert [e.seq for e in await reading] == [last + 1]


async def test_retention_does_not_overtake_the_stream_of_a_quiet_agent(world: World) -> None:
    last = await append(world, 1, "bob")
    reading = asyncio.create_task(read_until(world, last + 100, last, "bob"))
    for _ in range(5):
        await append(world, 10, "alice")
        await let_time_pass(0.05)
    await forget(world, 40)
    for _ in range(50):
        await append(world, 1, "bob")
    assert len(await reading) == 50


async def test_closing_ends_every_stream(world: World) -> None:
    last = await world.hive.events.last()

    async def read(after: int) -> int:
        return sum([len(events) async for events in world.hive.events.follow(after)])

    reading = [asyncio.create_task(read(after)) for after in (0, last)]
    await let_time_pass(0.1)
    assert not any(task.done() for task in reading)
    world.hive.events.close()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*reading) == [last, 0]
        assert await read(last) == 0
