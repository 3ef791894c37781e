"""Who may reach what, and a record of denials that no loop can fill a disk with."""

from dataclasses import replace

import pytest

from hyperhive.hive.egress import OTHERS, TARGETS, WINDOW_SECONDS
from hyperhive.hive.policy import AgentPolicy
from hyperhive.protocol.bundle import AgentSettings, Egress
from hyperhive.protocol.hosts import parse_host_port
from tests.hive.conftest import MakeWorld
from tests.hive.world import MANAGER, WORKER, World


async def rows(world: World) -> list[str]:
    """Details of what alice was denied, oldest first."""
    entries = await world.read(lambda tx: tx.audit.denied("alice", 0.0, 1_000))
    return [entry.detail for entry in reversed(entries)]


async def counts(world: World, target: str) -> list[int]:
    events = await world.events("egress_denied")
    return [e.data["count"] for e in events if e.data["target"] == target]


async def deny(world: World, target: str, times: int = 1) -> None:
    for _ in range(times):
        await world.hive.egress.note_denied(await world.id("alice"), "alice", target)


async def test_only_the_listed_and_only_while_it_is_to_run(make_world: MakeWorld) -> None:
    alice = AgentPolicy(settings=AgentSettings(egress=Egress(allow=("*.example:443",))))
    world = await make_world(declared={"manager": MANAGER, "alice": alice, "bob": WORKER})
    target, egress = parse_host_port("a.example:443"), world.hive.egress
    assert await egress.allows(await world.id("alice"), target)
    assert not await egress.allows(await world.id("alice"), parse_host_port("example:443"))
    assert not await egress.allows(await world.id("bob"), target)
    assert not await egress.allows(1_000_000, target)
    await world.save("alice", wanted="stopped")
    assert not await egress.allows(await world.id("alice"), target)
    await world.save("alice", wanted="running", state="tombstone")
    assert not await egress.allows(await world.id("alice"), target)


async def test_one_row_an_hour_and_an_event_at_powers_of_ten(world: World) -> None:
    await deny(world, "a:1", 120)
    assert await rows(world) == ["a:1"]
    assert await counts(world, "a:1") == [1, 10, 100]
    world.clock.pass_by(WINDOW_SECONDS)
    await deny(world, "a:1")
    assert await rows(world) == ["a:1", "a:1"]
    entry = (await world.read(lambda tx: tx.audit.denied("alice", 0.0, 1)))[0]
    assert (entry.actor, entry.action, entry.subject) == ("alice", "egress_denied", "alice")


async def test_made_up_names_share_one_row(world: World) -> None:
    for number in range(TARGETS + 30):
        await deny(world, f"{number}.example:1")
    assert await rows(world) == [*(f"{number}.example:1" for number in range(TARGETS)), OTHERS]
    assert await counts(world, OTHERS) == [1, 10]
    await world.hive.egress.note_denied(await world.id("bob"), "bob", "a:1")
    assert len(await rows(world)) == TARGETS + 1


async def test_its_page_shows_the_latest_ten_of_this_agent(world: World) -> None:
    for number in range(12):
        world.clock.pass_by(1)
        await deny(world, f"{number}.example:1")
    alice = await world.agent("alice")
    view = await world.read(lambda tx: world.hive.views.agent_details(tx, alice))
    targets = [denied["target"] for denied in view["egress_denied"]]
    assert targets == [f"{number}.example:1" for number in range(11, 1, -1)]
    another = replace(alice, created_at=world.clock.now() - 1)
    view = await world.read(lambda tx: world.hive.views.agent_details(tx, another))
    assert [denied["target"] for denied in view["egress_denied"]] == targets[:2]


async def test_a_full_disk_denies_as_well(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.database.close()
    await world.hive.egress.note_denied(1, "alice", "a:1")
    assert "alice: a denied connection is not recorded" in caplog.text
