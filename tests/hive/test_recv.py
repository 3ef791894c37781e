"""Receiving: what is handed out, when, and under which key."""

import asyncio
from typing import Any

import pytest

from hyperhive.protocol.errors import Forbidden
from tests.hive.world import ONE, TWO, World
from tests.support.wait import let_time_pass

SECONDS = 180.0


async def test_a_message_says_who_it_is_from(world: World) -> None:
    id_ = (await world.send("alice", "bob", "hello"))["id"]
    (message,) = await world.recv("bob")
    delivery = (await world.inbox("bob"))[0].id
    assert message == {
        "id": id_,
        "delivery": delivery,
        "from": "alice",
        "kind": "agent",
        "attempt": 1,
        "thread": id_,
        "in_reply_to": None,
        "sent_at": "2023-11-14T22:13:20.000Z",
        "body": "hello",
    }


async def test_mail_comes_in_the_order_of_its_sender(world: World) -> None:
    for n in range(40):
        await world.send("alice", "bob", f"a{n}")
        await world.send("manager", "bob", f"m{n}")
    received: list[str] = []
    while batch := await world.recv("bob", max=7):
        assert len(batch) <= 7
        received += [m["body"] for m in batch]
    for prefix in ("a", "m"):
        assert [b for b in received if b[0] == prefix] == [f"{prefix}{n}" for n in range(40)]


async def test_a_batch_is_bounded_in_bytes(world: World) -> None:
    for _ in range(3):
        await world.send("alice", "bob", "x" * 60_000)
    assert [len(await world.recv("bob")) for _ in range(3)] == [2, 1, 0]


async def test_two_consumers_never_hold_the_same_message(world: World) -> None:
    for n in range(60):
        await world.send("alice", "bob", f"m{n}")
    batches = await asyncio.gather(
        *(world.recv("bob", instance, max=10) for instance in (ONE, TWO) * 4)
    )
    ids = [m["delivery"] for batch in batches for m in batch]
    assert len(ids) == len(set(ids)) == 60


# --- waiting ---


async def test_without_a_wait_it_returns_at_once(world: World) -> None:
    async with asyncio.timeout(2):
        assert await world.recv("bob") == []


async def waiting(world: World, name: str, **rest: Any) -> asyncio.Task[list[dict[str, Any]]]:
    """A recv that has found nothing and waits."""
    task = asyncio.create_task(world.recv(name, wait_seconds=SECONDS, **rest))
    await let_time_pass(0.2)
    assert not task.done()
    return task


async def test_a_wait_ends_at_once_when_mail_comes(world: World) -> None:
    receiving = await waiting(world, "bob")
    loop = asyncio.get_running_loop()
    sent = loop.time()
    await world.send("alice", "bob")
    assert [m["body"] for m in await receiving] == ["hello"]
    assert loop.time() - sent < 1


async def test_helper_events_end_a_wait_as_well(world: World) -> None:
    receiving = await waiting(world, "bob")
    await world.ask("alice", to="bob")
    async with asyncio.timeout(5):
        assert [m["kind"] for m in await receiving] == ["system"]


async def test_each_of_many_who_wait_gets_what_no_other_gets(world: World) -> None:
    receiving = [await waiting(world, "bob", max=1) for _ in range(3)]
    for n in range(3):
        await world.send("alice", "bob", f"m{n}")
    async with asyncio.timeout(5):
        batches = await asyncio.gather(*receiving)
    assert sorted(m["body"] for batch in batches for m in batch) == ["m0", "m1", "m2"]


async def test_mail_for_others_ends_no_wait(world: World) -> None:
    receiving = await waiting(world, "bob")
    await world.send("bob", "alice")
    await let_time_pass(0.2)
    assert not receiving.done()
    await world.send("alice", "bob")
    assert len(await receiving) == 1


async def test_a_wait_ends_with_nothing_when_its_time_is_over(world: World) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await world.recv("bob", wait_seconds=0.3) == []
    assert 0.3 <= loop.time() - begun < 2


async def test_a_broken_off_wait_takes_nothing(world: World) -> None:
    receiving = await waiting(world, "bob")
    receiving.cancel()
    await asyncio.wait([receiving])
    await world.send("alice", "bob")
    assert await world.states("bob") == ["hello: accepted 1"]


async def test_a_wait_finds_what_its_back_off_releases(world: World) -> None:
    await world.send("alice", "bob")
    await world.recv("bob")
    await world.hive.leases.lose(await world.id("bob"), ONE)
    world.clock.pass_by(4.9)
    receiving = asyncio.create_task(world.recv("bob", TWO, wait_seconds=SECONDS))
    await let_time_pass(0.05)
    world.clock.pass_by(0.2)
    async with asyncio.timeout(5):
        assert [m["attempt"] for m in await receiving] == [2]


def count_tries(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one at each try to take something."""
    tries: list[int] = []
    take = world.hive.leases.take

    async def count(*args: Any) -> Any:
        tries.append(1)
        return await take(*args)

    monkeypatch.setattr(world.hive.leases, "take", count)
    return tries


async def test_a_wait_does_not_spin_on_mail_that_has_expired(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.send("alice", "bob", ttl_seconds=3)
    await world.recv("bob")
    await world.hive.leases.lose(await world.id("bob"), ONE)
    world.clock.pass_by(60)
    tries = count_tries(world, monkeypatch)
    assert await world.recv("bob", TWO, wait_seconds=0.5) == []
    assert 2 <= len(tries) <= 10


async def test_who_is_woken_for_nothing_waits_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count_tries(world, monkeypatch)
    receiving = await waiting(world, "bob")
    world.hive.bells.ring(await world.id("bob"))
    await let_time_pass(0.2)
    assert len(tries) == 2
    await world.send("alice", "bob")
    assert len(await receiving) == 1


# --- keys ---


async def test_a_lost_answer_is_given_again_under_its_key(world: World) -> None:
    await world.send("alice", "bob", "one")
    first = await world.recv("bob", key="k")
    await world.send("alice", "bob", "two")
    assert await world.recv("bob", key="k") == first
    assert [m["body"] for m in await world.recv("bob", key="k2")] == ["two"]


async def test_what_was_handled_meanwhile_is_not_given_again(world: World) -> None:
    await world.send("alice", "bob", "one")
    await world.send("alice", "bob", "two")
    first, second = await world.recv("bob", key="k")
    await world.recv("bob", ack=(first["delivery"],))
    assert await world.recv("bob", key="k") == [second]


async def test_nothing_left_of_the_first_answer_is_said_without_waiting(world: World) -> None:
    await world.send("alice", "bob")
    await world.recv("bob", key="k")
    await world.hive.leases.lose(await world.id("bob"), ONE)
    async with asyncio.timeout(5):
        assert await world.recv("bob", key="k", wait_seconds=SECONDS) == []
    world.clock.pass_by(6)
    assert len(await world.recv("bob", key="k2")) == 1


async def test_an_empty_answer_is_not_kept(world: World) -> None:
    assert await world.recv("bob", key="k") == []
    await world.send("alice", "bob")
    assert len(await world.recv("bob", key="k")) == 1


async def test_another_instance_does_not_get_an_answer_by_its_key(world: World) -> None:
    await world.send("alice", "bob")
    await world.recv("bob", ONE, key="k")
    assert await world.recv("bob", TWO, key="k") == []


# --- who gets nothing ---


@pytest.mark.parametrize("change", [{"wanted": "stopped"}, {"quarantined": "why"}], ids=str)
async def test_who_is_stopped_or_in_quarantine_gets_nothing(
    world: World, change: dict[str, Any]
) -> None:
    await world.send("alice", "bob")
    await world.save("bob", **change)
    assert await world.recv("bob") == []
    assert await world.states("bob") == ["hello: accepted 1"]


async def test_who_is_gone_may_not_even_ask(world: World) -> None:
    await world.send("alice", "bob")
    await world.hive.agents.destroy("bob", purge=False)
    with pytest.raises(Forbidden):
        await world.recv("bob")
    assert await world.states("bob") == ["hello: accepted 1"]
