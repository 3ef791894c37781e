"""What runs becomes what is wanted: at start, by order, and although the runtime refuses."""

import asyncio
from typing import Any

import pytest

from hyperhive.protocol.errors import Busy
from tests.hive.crash_points import recover
from tests.hive.lives import crashes, running, settled
from tests.hive.world import ONE, World
from tests.support.wait import let_time_pass, wait_for

EVERYONE = {"manager", "alice", "bob"}


# --- at start ---


async def test_at_start_everyone_wanted_is_started(world: World) -> None:
    await world.save("bob", wanted="stopped")
    async with world.alive():
        await settled(world)
    assert world.runtime.runs.keys() == {"manager", "alice"}
    assert world.sockets.opened.keys() == EVERYONE


async def test_at_start_what_runs_is_adopted(world: World) -> None:
    await recover(world)
    await recover(world)
    assert sorted(world.runtime.history) == ["start alice-1", "start bob-1", "start manager-1"]


async def test_at_start_what_is_not_wanted_is_stopped(world: World) -> None:
    await recover(world)
    await world.save("bob", wanted="stopped")
    await recover(world)
    assert world.runtime.history[-1] == "stop bob-1"
    assert await world.events("crash") == []


async def test_the_end_of_the_service_stops_nobody(world: World) -> None:
    await recover(world)
    assert world.runtime.runs.keys() == EVERYONE


# --- orders ---


async def test_orders_are_carried_out_and_told(world: World) -> None:
    async with world.alive():
        await settled(world)
        await world.hive.agents.kill("bob")
        assert await world.hear("manager", "stopped") == {
            "event": "stopped",
            "agent": "bob",
            "ok": True,
            "note": "",
        }
        assert "bob" not in world.runtime.runs
        await world.hive.agents.start("bob")
        await running(world, "bob-2")
        await world.hear("manager", "started")
        await world.hive.agents.restart("bob")
        await running(world, "bob-3")
    assert world.runtime.history[3:] == ["stop bob-1", "start bob-2", "stop bob-2", "start bob-3"]
    assert await world.events("crash") == []


async def test_who_ordered_it_is_not_told(world: World) -> None:
    async with world.alive():
        await settled(world)
        await world.hive.agents.restart("bob", "manager")
        await running(world, "bob-2")
        await settled(world)
    assert await world.told("manager") == []


async def test_orders_are_carried_out_in_their_order(world: World) -> None:
    await world.hive.agents.kill("bob")
    await world.hive.agents.start("bob")
    await world.hive.agents.kill("bob")
    async with world.alive():
        await settled(world)
    assert "bob" not in world.runtime.runs


async def test_agents_do_not_wait_for_each_other(world: World) -> None:
    stuck = asyncio.Event()

    async def step(name: str) -> None:
        if name == "stop":
            await stuck.wait()

    async with world.alive():
        await settled(world)
        world.runtime.step = step
        await world.hive.agents.kill("bob")
        await world.hive.agents.spawn("carol")
        await running(world, "carol-1")
        assert "bob" in world.runtime.runs
        stuck.set()
        await settled(world)


async def test_what_a_stopped_agent_held_is_given_back_unchanged(world: World) -> None:
    await world.send("alice", "bob")
    async with world.alive():
        await settled(world)
        await world.connect("bob")
        await world.begin("bob")
        await world.hive.agents.restart("bob")
        await running(world, "bob-2")
        await settled(world)
    (delivery,) = await world.inbox("bob")
    assert (delivery.state, delivery.attempt, delivery.outcome) == ("accepted", 1, "stopped")


# --- refusals ---


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_RETRY_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(f"hyperhive.hive.reconciler.{name}", 0.05)


async def test_a_start_that_fails_is_shown_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    world.runtime.refusals["start"] = "no room"
    async with world.alive():

        async def failed() -> bool:
            return len(await world.events("start_failed")) == 3

        await wait_for(failed)
        assert await problem(world, "bob") == "no room"
        await let_time_pass(0.2)
        assert await failed()  # the same problem again is no news
        world.runtime.refusals.clear()
        await settled(world)
    assert await problem(world, "bob") == ""


async def problem(world: World, name: str) -> str:
    agent = await world.agent(name)
    view: dict[str, Any] = await world.read(lambda tx: world.hive.views.agent(tx, agent))
    return str(view["problem"])


async def test_an_order_that_fails_is_told_and_done_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    async with world.alive():
        await settled(world)
        world.runtime.refusals["stop"] = "it hangs"
        await world.hive.agents.kill("bob")
        told = await world.hear("manager", "stopped")
        assert (told["ok"], told["note"]) == (False, "it hangs")
        world.runtime.refusals.clear()
        await settled(world)
    assert world.runtime.history[-1] == "stop bob-1"


async def test_what_is_left_to_do_for_a_purged_agent_touches_nothing(world: World) -> None:
    """Its name may be another's by then."""
    bob = await world.id("bob")
    await world.hive.agents.destroy("bob", purge=True)
    again = await world.database.write(
        lambda tx: tx.operations.add("destroy", bob, "bob", "operator", 0.0, purge=True)
    )
    async with world.alive():

        async def done() -> bool:
            row = await world.read(lambda tx: tx.operations.get(again.id))
            return row is not None and row.state == "done"

        await wait_for(done)
    assert world.runtime.history.count("purge bob") == 1


@pytest.mark.parametrize("verb", ["stop", "purge"])
async def test_a_purge_is_never_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    hurry(monkeypatch)
    async with world.alive():
        await settled(world)
        world.runtime.refusals[verb] = "it hangs"
        operation = await world.hive.agents.destroy("bob", purge=True)

        async def hindered() -> bool:
            row = await world.read(lambda tx: tx.operations.get(operation.id))
            return row is not None and (row.state, row.error) == ("open", "it hangs")

        await wait_for(hindered)
        await let_time_pass(0.2)
        assert (await world.agent("bob")).state == "purging"
        states = [e.data["state"] for e in await world.events("operation")]
        assert states == ["open"]
        world.runtime.refusals.clear()
        assert (await world.hear("manager", "destroyed"))["purged"] is True
    row = await world.read(lambda tx: tx.operations.get(operation.id))
    assert row is not None
    assert (row.state, row.error) == ("done", "")


async def test_a_failed_purge_is_shown_and_tried_again_at_once_on_request(world: World) -> None:
    async with world.alive():
        await settled(world)
        world.runtime.refusals["purge"] = "it hangs"
        operation = await world.hive.agents.destroy("bob", purge=True)

        async def shown() -> bool:
            return await problem(world, "bob") == "it hangs"

        await wait_for(shown)
        world.runtime.refusals.clear()
        again = await world.hive.agents.destroy("bob", purge=True)  # the next try is seconds away
        assert again.id == operation.id
        await world.hear("manager", "destroyed")
    assert await world.read(lambda tx: tx.agents.by_name("bob")) is None
    assert world.runtime.history.count("purge bob") == 1


async def test_sockets_that_cannot_be_opened_are_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurry(monkeypatch)
    world.sockets.refusals["open"] = "no directory"
    async with world.alive():
        await wait_for(lambda: caplog.text.count("no directory") > 3)
        assert world.runtime.runs == {}
        world.sockets.refusals.clear()
        await settled(world)


async def test_a_store_that_refuses_for_a_while_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    refusing = False
    for verb in ("read", "write"):
        real = getattr(world.database, verb)

        async def refuse(*args: Any, real: Any = real, **kwargs: Any) -> Any:
            if refusing:
                raise Busy("another program has the database")
            return await real(*args, **kwargs)

        monkeypatch.setattr(world.database, verb, refuse)
    async with world.alive():
        await settled(world)
        refusing = True
        world.runtime.end("bob")
        await let_time_pass(0.2)
        refusing = False
        await crashes(world, 1)
        await running(world, "bob-2")
        await world.hive.agents.kill("bob")
        await settled(world)


async def test_a_fault_in_handling_one_agent_ends_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurry(monkeypatch)
    broken = True

    async def step(name: str) -> None:
        if name == "start" and broken:
            raise LookupError("a mistake")

    world.runtime.step = step
    async with world.alive():
        await wait_for(lambda: caplog.text.count("a mistake") >= 3)
        broken = False
        await settled(world)
    caplog.clear()


async def test_a_hello_does_not_wake_the_reconciler_but_the_loss_of_a_link_does(
    world: World,
) -> None:
    async with world.alive():
        await settled(world)
        looked = 0

        async def count(name: str) -> None:
            nonlocal looked
            looked += name == "running"

        world.runtime.step = count
        await world.connect("bob", ONE, fit=False)
        await let_time_pass(0.2)
        assert looked == 0
        await world.hive.turns.unlinked(await world.id("bob"), ONE)
        await wait_for(lambda: looked)
