"""How a turn ends, and what becomes of every message that was leased in it."""

from typing import Any

import pytest

from hyperhive.hive.records import Usage
from hyperhive.protocol.verbs import TurnEnd
from tests.hive.world import BIG, ONE, World


async def started(world: World, *bodies: str) -> None:
    """Bob's harness has begun a turn with these messages."""
    for body in bodies or ("hello",):
        await world.send("alice", "bob", body)
    await world.connect("bob")
    await world.begin("bob")


async def hold(world: World, reason: Any, seconds: float | None = None) -> None:
    until = None if seconds is None else world.clock.now() + seconds
    await world.hive.spending.upstream_refused(await world.id("bob"), reason, until, "said no")


# --- results ---


async def test_a_clean_turn_acknowledges_everything(world: World) -> None:
    await started(world, "one", "two")
    assert await world.end("bob") == "clean"
    assert await world.states("bob") == ["one: acked 1", "two: acked 1"]
    assert {d.outcome for d in await world.inbox("bob")} == {"handled"}


async def test_a_cancelled_turn_acknowledges_and_says_so(world: World) -> None:
    await started(world)
    assert await world.end("bob", "cancelled") == "cancelled"
    (delivery,) = await world.inbox("bob")
    assert (delivery.state, delivery.outcome) == ("acked", "cancelled")


async def test_a_failed_turn_counts_an_attempt_and_is_told(world: World) -> None:
    await started(world)
    assert await world.end("bob", "failed", error="it broke") == "failed"
    (delivery,) = await world.inbox("bob")
    assert (delivery.state, delivery.attempt, delivery.outcome) == ("accepted", 2, "it broke")
    assert await world.told("manager") == [
        {"event": "turn_failed", "agent": "bob", "turn": "turn-one", "error": "it broke"}
    ]


async def test_failing_turns_end_in_a_dead_letter(world: World) -> None:
    await started(world)
    pauses = []
    for n in range(2, 7):
        await world.end("bob", "failed", turn=f"turn-{n}x" if n > 2 else "turn-one")
        answer = await world.begin("bob", f"turn-{n + 1}x")
        if pause := answer["retry_after"]:
            pauses.append(pause)
            world.clock.pass_by(pause + 0.01)
            assert await world.bodies("bob", f"turn-{n + 1}x") == ["hello"]
    assert pauses == [5, 30, 120, 600]
    assert await world.states("bob") == ["hello: dead 5"]
    assert [told["event"] for told in await world.told("operator")] == ["dead_letter"]


async def test_what_a_turn_received_itself_is_settled_with_it(world: World) -> None:
    await started(world, "woken")
    await world.send("alice", "bob", "received")
    assert len(await world.recv("bob", turn="turn-one")) == 1
    await world.end("bob", "failed")
    assert await world.states("bob") == ["woken: accepted 2", "received: accepted 2"]


async def test_the_end_told_again_is_harmless(world: World) -> None:
    await started(world)
    assert await world.end("bob") == "clean"
    assert await world.end("bob", "failed") == "clean"
    assert await world.states("bob") == ["hello: acked 1"]
    assert len(await world.events("turn_ended")) == 1
    assert await world.told("manager") == []


async def test_mail_of_the_next_turn_is_not_touched(world: World) -> None:
    await started(world, "one")
    await world.send("alice", "bob", "two")
    await world.end("bob")
    assert await world.states("bob") == ["one: acked 1", "two: accepted 1"]


# --- what is nobody's fault ---


@pytest.mark.parametrize("reason", ["rate_limited", "overloaded", "credential", "budget"])
async def test_a_refusal_of_the_models_side_gives_back_unchanged(world: World, reason: str) -> None:
    await started(world)
    await hold(world, reason, 600)
    assert await world.end("bob", "failed", error="429") == "deferred"
    (delivery,) = await world.inbox("bob")
    assert (delivery.state, delivery.attempt, delivery.outcome) == ("accepted", 1, reason)
    assert "turn_failed" not in [told["event"] for told in await world.told("operator")]


async def test_a_hold_keeps_the_inbox_until_its_end(world: World) -> None:
    await started(world)
    await hold(world, "rate_limited", 90)
    await world.end("bob", "failed")
    assert await world.begin("bob", "turn-two") == {"messages": [], "retry_after": 60.0}
    world.clock.pass_by(80)
    answer = await world.begin("bob", "turn-two")
    assert answer == {"messages": [], "retry_after": pytest.approx(10)}
    world.clock.pass_by(10)
    assert await world.bodies("bob", "turn-two") == ["hello"]
    assert (await world.agent("bob")).hold is None


@pytest.mark.parametrize("step", [3_600.0, -3_600.0, 86_400.0, -86_400.0])
async def test_a_clock_step_moves_no_hold(world: World, step: float) -> None:
    await world.send("alice", "bob")
    await world.connect("bob")
    await hold(world, "rate_limited", 90)
    world.clock.wall += step
    world.clock.pass_by(85)
    assert await world.bodies("bob") == []
    world.clock.pass_by(5)
    assert await world.bodies("bob") == ["hello"]


async def test_a_start_lifts_a_hold(world: World) -> None:
    await started(world)
    await hold(world, "credential", 600)
    await world.end("bob", "failed")
    await world.hive.agents.start("bob")
    assert await world.bodies("bob", "turn-two") == ["hello"]


async def test_a_clean_turn_under_a_hold_is_clean(world: World) -> None:
    await started(world)
    await hold(world, "rate_limited", 90)
    assert await world.end("bob") == "clean"
    await world.send("alice", "bob", "later")
    assert await world.bodies("bob", "turn-two") == []


async def test_what_fails_because_of_a_stop_is_given_back_unchanged(world: World) -> None:
    await started(world)
    await world.hive.agents.kill("bob")
    assert await world.end("bob", "failed", error="terminated") == "deferred"
    (delivery,) = await world.inbox("bob")
    assert (delivery.state, delivery.attempt, delivery.outcome) == ("accepted", 1, "stopped")


# --- the log ---


async def test_the_end_of_a_turn_says_how_long_and_how_much(world: World) -> None:
    await started(world)
    admission = await world.hive.spending.admit(await world.id("bob"), BIG)
    await world.hive.spending.record(admission, Usage(input_tokens=1_000, output_tokens=100))
    world.clock.pass_by(2.5)
    await world.end("bob")
    (event,) = await world.events("turn_ended")
    assert (event.agent, event.data) == (
        "bob",
        {
            "turn": "turn-one",
            "result": "clean",
            "error": "",
            "duration_ms": 2_500,
            "usd": 0.0045,
            "tokens": 1_100,
            "output_tokens": 100,
        },
    )


async def test_no_duration_is_negative(world: World) -> None:
    await started(world)
    world.clock.wall -= 86_400
    await world.end("bob")
    (event,) = await world.events("turn_ended")
    assert event.data["duration_ms"] == 0


async def test_the_session_of_a_turn_is_kept(world: World) -> None:
    await started(world)
    (began,) = await world.events("turn_began")
    (delivery,) = await world.inbox("bob")
    data = {"turn": "turn-one", "model": BIG, "messages": [delivery.message.id]}
    assert (began.agent, began.data) == ("bob", data)
    report = TurnEnd(turn="turn-one", result="clean", session="session-1")
    await world.hive.turns.end(await world.id("bob"), ONE, report)
    turn = await world.read(lambda tx: tx.turns.get("turn-one"))
    assert turn is not None
    assert (turn.state, turn.session) == ("clean", "session-1")
