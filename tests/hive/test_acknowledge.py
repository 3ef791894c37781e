"""Acknowledging by hand: once, of what one holds outside any turn, and never of anything else."""

import pytest

from hyperhive.protocol.errors import LeaseExpired
from tests.hive.world import ONE, TWO, World


async def test_what_is_acknowledged_is_never_delivered_again(world: World) -> None:
    await world.send("alice", "bob")
    (message,) = await world.recv("bob")
    assert await world.recv("bob", ack=(message["delivery"],)) == []
    await world.hive.leases.lose(await world.id("bob"), ONE)
    world.clock.pass_by(3_600)
    assert await world.recv("bob", TWO) == []
    assert await world.states("bob") == ["hello: acked 1"]


async def test_acknowledging_again_is_harmless(world: World) -> None:
    await world.send("alice", "bob")
    (message,) = await world.recv("bob")
    for _ in range(3):
        await world.recv("bob", ack=(message["delivery"],))
    assert len([e for e in await world.events("settled") if e.data["as"] == "acked"]) == 1


async def test_what_is_not_held_cannot_be_acknowledged(world: World) -> None:
    await world.send("alice", "bob")
    await world.send("bob", "alice")
    (bobs,), (alices,) = await world.recv("bob"), await world.recv("alice")
    for name, instance, delivery in (
        ("bob", ONE, alices["delivery"]),
        ("bob", TWO, bobs["delivery"]),
        ("bob", ONE, 999),
    ):
        with pytest.raises(LeaseExpired):
            await world.recv(name, instance, ack=(delivery,))
    assert await world.states("bob") == await world.states("alice") == ["hello: leased 1"]


async def test_foreign_and_unknown_deliveries_look_the_same(world: World) -> None:
    await world.send("bob", "alice")
    (message,) = await world.recv("alice")
    said = []
    for delivery in (message["delivery"], 999):
        with pytest.raises(LeaseExpired) as refusal:
            await world.recv("bob", ack=(delivery,))
        said.append(refusal.value.message.replace(str(delivery), "N"))
    assert said[0] == said[1]


async def test_a_lease_that_ended_cannot_be_acknowledged(world: World) -> None:
    await world.send("alice", "bob")
    (message,) = await world.recv("bob")
    await world.hive.leases.lose(await world.id("bob"), ONE)
    with pytest.raises(LeaseExpired, match="ended"):
        await world.recv("bob", ack=(message["delivery"],))
    assert await world.states("bob") == ["hello: accepted 2"]


async def test_one_that_cannot_be_acknowledged_leaves_the_others_held(world: World) -> None:
    await world.send("alice", "bob")
    (message,) = await world.recv("bob")
    with pytest.raises(LeaseExpired):
        await world.recv("bob", ack=(message["delivery"], 999))
    assert await world.states("bob") == ["hello: leased 1"]


async def test_a_turns_messages_are_left_to_the_turn(world: World) -> None:
    await world.connect("bob")
    await world.send("alice", "bob")
    (message,) = (await world.begin("bob"))["messages"]
    with pytest.raises(LeaseExpired):
        await world.recv("bob", ack=(message["delivery"],))
    assert await world.end("bob", "failed") == "failed"
    assert await world.states("bob") == ["hello: accepted 2"]
