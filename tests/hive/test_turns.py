"""The turn loop as the host sees it: hello, begin, events, end."""

from typing import Any

import pytest

from hyperhive.hive.records import Hold
from hyperhive.protocol.errors import Forbidden, LeaseExpired
from hyperhive.protocol.link import HEARTBEAT_SECONDS
from hyperhive.protocol.verbs import SelfCheck, TurnEvent, TurnEvents
from tests.hive.world import BIG, ONE, SMALL, TWO, World

NOTHING: dict[str, Any] = {"messages": []}


async def started(world: World, *bodies: str, **rest: Any) -> list[str]:
    """Bob's harness is up and has begun a turn with these messages."""
    for body in bodies or ("hello",):
        await world.send("alice", "bob", body)
    await world.connect("bob")
    return await world.bodies("bob", **rest)


# --- hello ---


async def test_a_welcome_says_all_a_harness_needs(world: World) -> None:
    assert await world.connect("manager") == {
        "type": "welcome",
        "agent": "manager",
        "role": "manager",
        "capabilities": ["manage"],
        "settings": (await world.connect("alice"))["settings"],
        "settings_version": 1,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "credential_kind": "api_key",
        "turn": None,
    }


async def test_nothing_is_leased_before_the_self_check_is_ok(world: World) -> None:
    await world.send("alice", "bob")
    assert await world.begin("bob") == NOTHING  # never said hello
    await world.connect("bob", fit=False)
    assert await world.begin("bob") == NOTHING
    id_ = await world.id("bob")
    await world.hive.turns.self_check(id_, ONE, SelfCheck(ok=False, problem="no claude"))
    assert await world.begin("bob") == NOTHING
    assert await world.states("bob") == ["hello: accepted 1"]
    await world.hive.turns.self_check(id_, ONE, SelfCheck(ok=True))
    assert await world.bodies("bob") == ["hello"]


async def test_only_the_instance_that_has_the_link_is_given_mail(world: World) -> None:
    await world.send("alice", "bob")
    await world.connect("bob", ONE)
    await world.connect("bob", TWO)
    assert await world.begin("bob", instance=ONE) == NOTHING
    with pytest.raises(LeaseExpired, match="another instance"):
        await world.hive.turns.self_check(await world.id("bob"), ONE, SelfCheck(ok=True))
    assert await world.bodies("bob", "turn-two", TWO) == ["hello"]


async def test_the_newest_hello_ends_what_others_held(world: World) -> None:
    await started(world)
    await world.connect("bob", TWO)
    assert await world.states("bob") == ["hello: accepted 2"]
    with pytest.raises(LeaseExpired):
        await world.begin("bob", instance=TWO)
    assert await world.end("bob") == "lost"


async def test_a_harness_goes_on_with_the_turn_it_names(world: World) -> None:
    await started(world)
    welcome = await world.connect("bob", turn="turn-one")
    assert welcome["turn"] == "turn-one"
    assert await world.end("bob") == "clean"
    assert await world.states("bob") == ["hello: acked 1"]


async def test_a_turn_that_its_harness_does_not_know_of_is_given_back(world: World) -> None:
    await started(world)
    assert (await world.connect("bob"))["turn"] is None
    assert await world.states("bob") == ["hello: accepted 1"]
    with pytest.raises(LeaseExpired, match="lost"):
        await world.begin("bob")
    assert await world.bodies("bob", "turn-two") == ["hello"]


async def test_the_turn_of_another_agent_is_not_adopted(world: World) -> None:
    await started(world)
    welcome = await world.connect("alice", turn="turn-one")
    assert welcome["turn"] is None
    assert await world.states("bob") == ["hello: leased 1"]


async def test_who_is_gone_is_not_welcome(world: World) -> None:
    id_ = await world.id("bob")
    await world.hive.agents.destroy("bob", purge=False)
    with pytest.raises(Forbidden):
        await world.connect("bob")
    assert world.hive.links.get(id_) is None


async def test_an_older_link_that_goes_down_takes_nothing_along(world: World) -> None:
    id_ = await world.id("bob")
    await world.connect("bob", ONE)
    await world.connect("bob", TWO)
    await world.hive.turns.unlinked(id_, ONE)
    assert world.hive.links.of(id_, TWO) is not None
    await world.hive.turns.unlinked(id_, TWO)
    assert world.hive.links.get(id_) is None
    links = [e.data["link"] for e in await world.events("agent") if "link" in e.data]
    assert links == ["up", "up", "down"]


# --- begin ---


async def test_a_turn_is_given_all_that_waits_and_its_models(world: World) -> None:
    await started(world, "one", "two")
    answer = await world.begin("bob")
    assert [m["body"] for m in answer["messages"]] == ["one", "two"]
    assert (answer["model"], answer["fallback_model"]) == (BIG, None)
    turn = await world.read(lambda tx: tx.turns.get("turn-one"))
    assert turn is not None
    assert (turn.state, turn.instance, turn.models) == ("open", ONE, (BIG, SMALL))


async def test_at_most_a_batch_is_given(world: World) -> None:
    bodies = [f"m{n}" for n in range(40)]
    assert await started(world, *bodies) == bodies[:32]
    await world.end("bob")
    assert await world.bodies("bob", "turn-two") == bodies[32:]


@pytest.mark.parametrize(
    "change",
    [{}, {"wanted": "stopped"}, {"quarantined": "why"}, {"hold": Hold("overloaded")}],
    ids=str,
)
async def test_a_begin_whose_answer_was_lost_is_answered_again(
    world: World, change: dict[str, Any]
) -> None:
    await started(world, "one")
    first = await world.begin("bob")
    await world.send("alice", "bob", "two")
    await world.save("bob", **change)
    assert await world.begin("bob") == first
    await world.connect("bob", turn="turn-one", fit=False)  # and reconnected, not checked yet
    assert await world.begin("bob") == first


async def test_a_new_turn_gives_back_what_an_older_one_held(world: World) -> None:
    await started(world, "one")
    await world.send("alice", "bob", "two")
    assert await world.bodies("bob", "turn-two") == ["one", "two"]
    assert await world.end("bob", turn="turn-one") == "lost"
    assert await world.end("bob", turn="turn-two") == "clean"
    assert await world.states("bob") == ["one: acked 1", "two: acked 1"]


async def test_another_agents_turn_id_is_of_no_use(world: World) -> None:
    await started(world)
    await world.connect("alice")
    with pytest.raises(LeaseExpired, match="no such turn"):
        await world.begin("alice")
    with pytest.raises(Forbidden):
        await world.end("alice")


async def test_an_ended_turn_does_not_begin_again(world: World) -> None:
    await started(world)
    await world.end("bob")
    with pytest.raises(LeaseExpired, match="clean"):
        await world.begin("bob")


@pytest.mark.parametrize("change", [{"wanted": "stopped"}, {"quarantined": "why"}], ids=str)
async def test_who_is_stopped_or_in_quarantine_begins_nothing(
    world: World, change: dict[str, Any]
) -> None:
    await world.send("alice", "bob")
    await world.connect("bob")
    await world.save("bob", **change)
    assert await world.begin("bob") == NOTHING


async def test_during_a_back_off_it_is_told_when_to_ask_again(world: World) -> None:
    await started(world)
    await world.end("bob", "failed")
    answer = await world.begin("bob", "turn-two")
    assert answer == {"messages": [], "retry_after": 5.0}
    world.clock.pass_by(5.1)
    assert await world.bodies("bob", "turn-two") == ["hello"]


async def test_with_nothing_waiting_no_turn_begins(world: World) -> None:
    await world.connect("bob")
    assert await world.begin("bob") == {"messages": [], "retry_after": None}
    assert await world.read(lambda tx: tx.turns.get("turn-one")) is None


# --- the log ---


def log_of(first: int, *texts: str, kind: Any = "text") -> TurnEvents:
    events = tuple(TurnEvent(kind=kind, text=text) for text in texts)
    return TurnEvents(turn="turn-one", first=first, events=events)


async def logged(world: World) -> list[str]:
    events = await world.read(lambda tx: tx.events.turn_log("bob", 100))
    return [e.data["text"] for e in reversed(events) if e.kind == "turn_text"]


async def test_turn_events_are_stored_once_however_often_they_are_sent(world: World) -> None:
    await started(world)
    record = world.hive.turns.record
    id_ = await world.id("bob")
    assert await record(id_, ONE, log_of(1, "a", "b")) == {"last": 2}
    assert await record(id_, ONE, log_of(1, "a", "b")) == {"last": 2}
    assert await record(id_, ONE, log_of(2, "b", "c")) == {"last": 3}
    assert await record(id_, ONE, log_of(1, "a")) == {"last": 3}
    assert await logged(world) == ["a", "b", "c"]


async def test_turn_events_that_were_dropped_leave_a_gap(world: World) -> None:
    await started(world)
    id_ = await world.id("bob")
    await world.hive.turns.record(id_, ONE, log_of(1, "a"))
    assert await world.hive.turns.record(id_, ONE, log_of(5, "e")) == {"last": 5}
    assert await logged(world) == ["a", "e"]


async def test_turn_events_carry_what_the_harness_said(world: World) -> None:
    await started(world)
    event = TurnEvent(kind="tool_result", text="no", tool="Bash", is_error=True)
    report = TurnEvents(turn="turn-one", first=1, events=(event,))
    await world.hive.turns.record(await world.id("bob"), ONE, report)
    (stored,) = await world.events("turn_tool_result")
    data = {"turn": "turn-one", "text": "no", "tool": "Bash", "is_error": True}
    assert (stored.agent, stored.data) == ("bob", data)


async def test_only_a_turns_own_instance_writes_its_log(world: World) -> None:
    await started(world)
    with pytest.raises(LeaseExpired, match="another instance"):
        await world.hive.turns.record(await world.id("bob"), TWO, log_of(1, "a"))
    with pytest.raises(Forbidden):
        await world.hive.turns.record(await world.id("alice"), ONE, log_of(1, "a"))
    assert await logged(world) == []
