"""A harness that is not there, or not fit, in its time."""

from typing import Any

import pytest

from hyperhive.protocol.verbs import SelfCheck
from tests.hive.crash_points import recover
from tests.hive.lives import crashes, running, settled
from tests.hive.world import ONE, World
from tests.support.wait import let_time_pass, wait_for

TIME = 120.0
"""Seconds; the default of `healthTimeout`."""


async def all_but_one_are_fit(world: World, one: str = "bob") -> None:
    """Everybody runs and has been seen to."""
    await settled(world)
    for name in ("manager", "alice", "bob"):
        await is_seen(world, world.runtime.runs[name].id)
        if name != one:
            await world.connect(name)


async def look(world: World) -> None:
    """Has the reconciler look at bob; the clock of these tests wakes nobody."""
    await world.hive.agents.set_model("bob", None)


async def view(world: World) -> dict[str, Any]:
    agent = await world.agent("bob")
    found: dict[str, Any] = await world.read(lambda tx: world.hive.views.agent(tx, agent))
    return found


async def is_seen(world: World, run: str) -> None:
    async def noted() -> bool:
        return (await world.agent(run.partition("-")[0])).run == run

    await wait_for(noted, what=run)


async def has_problem(world: World) -> str:
    return str((await view(world))["problem"])


async def test_a_start_without_a_word_of_the_harness_has_failed(world: World) -> None:
    async with world.alive():
        await all_but_one_are_fit(world)
        world.clock.pass_by(TIME - 1)
        await look(world)
        await settled(world)
        assert await has_problem(world) == ""
        world.clock.pass_by(1)
        await look(world)
        await running(world, "bob-2")
        told = await world.hear("manager", "container_crash")
        problem = "no word from its harness within 120 s; see its log"
        assert told == {
            "event": "container_crash",
            "agent": "bob",
            "reason": "start_timeout",
            "exit": None,
            "attempt": 1,
            "note": problem,
        }
        assert (await view(world))["last_end"]["text"] == "did not start in time"
        assert await has_problem(world) == problem  # until it is known to be better
        await world.connect("bob")
        assert await has_problem(world) == ""
    assert world.runtime.history[-2:] == ["stop bob-1", "start bob-2"]
    assert len(await world.events("crash")) == 1


async def test_starts_without_a_word_end_in_quarantine(world: World) -> None:
    async with world.alive():
        await all_but_one_are_fit(world)
        for count in range(1, 6):
            await is_seen(world, f"bob-{count}")
            world.clock.pass_by(TIME)
            await look(world)
            await crashes(world, count)

        async def is_quarantined() -> bool:
            return bool((await world.agent("bob")).quarantined)

        await wait_for(is_quarantined)
        await wait_for(lambda: "bob" not in world.runtime.runs)
    assert await has_problem(world) == "5 crashes within 10 minutes; start it to try again"


async def test_the_managers_own_is_told_to_the_operator(world: World) -> None:
    async with world.alive():
        await all_but_one_are_fit(world, "manager")
        world.clock.pass_by(TIME)
        await world.hive.agents.set_model("manager", None)
        assert (await world.hear("operator", "container_crash"))["reason"] == "start_timeout"


async def test_a_harness_that_falls_silent_is_ended(world: World) -> None:
    async with world.alive():
        await all_but_one_are_fit(world)
        await world.connect("bob")
        world.clock.pass_by(10 * TIME)
        await look(world)
        await settled(world)
        await world.hive.turns.unlinked(await world.id("bob"), ONE)
        world.clock.pass_by(TIME - 1)
        await look(world)
        await settled(world)
        assert await world.events("crash") == []
        world.clock.pass_by(1)
        await look(world)
        await running(world, "bob-2")
    told = await world.hear("manager", "container_crash")
    assert (told["reason"], told["note"]) == (
        "killed",
        "its harness was silent for 120 s; see its log",
    )


@pytest.mark.parametrize("report", ["", "claude does not start"])
async def test_one_that_is_not_fit_goes_on_and_is_shown(world: World, report: str) -> None:
    async with world.alive():
        await all_but_one_are_fit(world)
        await world.connect("bob", fit=False)
        bob = await world.id("bob")
        if report:
            await world.hive.turns.self_check(bob, ONE, SelfCheck(ok=False, problem=report))
        world.clock.pass_by(TIME)
        await look(world)
        problem = report or "its self-check was not over within 120 s; see its log"
        assert await world.hear("manager", "started") == {
            "event": "started",
            "agent": "bob",
            "ok": False,
            "note": problem,
        }
        assert await has_problem(world) == problem
        await look(world)
        await let_time_pass(0.1)
        await world.hive.turns.self_check(bob, ONE, SelfCheck(ok=True))
        assert await has_problem(world) == ""
    assert len(await world.told("manager")) == 1
    assert world.runtime.runs["bob"].id == "bob-1"


async def test_what_was_told_is_not_told_by_the_next_service(world: World) -> None:
    for _ in range(2):
        async with world.alive():
            await all_but_one_are_fit(world)
            await world.connect("bob", fit=False)
            world.clock.pass_by(TIME)
            await look(world)
            await world.hear("manager", "started")
            await let_time_pass(0.1)
        await world.again()
    assert len(await world.told("manager")) == 1
    assert await has_problem(world)


async def test_the_next_service_gives_it_its_time_anew(world: World) -> None:
    await recover(world)
    world.clock.pass_by(10 * TIME)
    await recover(world)
    async with world.alive():
        await all_but_one_are_fit(world)
        world.clock.pass_by(TIME - 1)
        await look(world)
        await let_time_pass(0.1)
    assert world.runtime.runs["bob"].id == "bob-1"


async def test_what_was_about_to_be_ended_is_ended_by_the_next_service(world: World) -> None:
    async with world.alive():
        await all_but_one_are_fit(world)
        world.runtime.refusals["stop"] = "it hangs"
        world.clock.pass_by(TIME)
        await look(world)
        await crashes(world, 1)
    world.runtime.refusals.clear()
    await world.again()
    async with world.alive():
        await running(world, "bob-2")
    assert len(await world.events("crash")) == 1
