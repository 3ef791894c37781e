"""The swarm as plain data: one word for what an agent does, and no negative numbers."""

import json
from typing import Any

import pytest

from hyperhive.hive.policy import AgentPolicy
from hyperhive.hive.records import Budget, Hold, Usage
from hyperhive.hive.views import (
    approval_view,
    audit_view,
    delivery_view,
    event_view,
    operation_view,
)
from hyperhive.protocol.verbs import RequestSpawn, SelfCheck
from tests.hive.conftest import MakeWorld
from tests.hive.world import BIG, MANAGER, ONE, World

View = dict[str, Any]


async def view(world: World, name: str = "bob", *, details: bool = False) -> View:
    agent = await world.agent(name)
    views = world.hive.views
    show = views.agent_details if details else views.agent
    shown: View = await world.read(lambda tx: show(tx, agent))
    json.dumps(shown, allow_nan=False)  # plain data
    return shown


def numbers(value: object) -> list[float]:
    """Every number anywhere in a view."""
    if isinstance(value, dict):
        return [n for item in value.values() for n in numbers(item)]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, int | float) else []


async def test_an_agents_state_is_one_word(world: World) -> None:
    assert (await view(world))["state"] == "starting"
    await world.connect("bob", fit=False)
    assert (await view(world))["state"] == "starting"
    id_ = await world.id("bob")
    await world.hive.turns.self_check(id_, ONE, SelfCheck(ok=False, problem="no claude"))
    shown = await view(world)
    assert (shown["state"], shown["problem"]) == ("unhealthy", "no claude")
    await world.hive.turns.self_check(id_, ONE, SelfCheck(ok=True))
    assert (await view(world))["state"] == "idle"
    await world.send("alice", "bob")
    await world.begin("bob")
    assert (await view(world))["state"] == "working"
    await world.end("bob")
    await world.hive.spending.upstream_refused(id_, "overloaded", None, "529")
    assert (await view(world))["state"] == "held"
    world.clock.pass_by(60)
    assert (await view(world))["state"] == "idle"
    await world.hive.agents.kill("bob")
    assert (await view(world))["state"] == "stopping"
    await world.hive.turns.unlinked(id_, ONE)
    async with world.alive():
        await world.hear("manager", "stopped")
    assert (await view(world))["state"] == "stopped"
    await world.save("bob", quarantined="five crashes")
    shown = await view(world)
    assert (shown["state"], shown["problem"]) == ("quarantined", "five crashes")
    await world.hive.agents.destroy("bob", purge=True)
    assert (await view(world))["state"] == "purging"


async def test_an_agents_view_counts_and_names(make_world: MakeWorld) -> None:
    bob = AgentPolicy(description="cooks", budget=Budget(usd_per_day=2.5))
    world = await make_world(declared={"manager": MANAGER, "bob": bob})
    await world.send("operator", "bob", "one")
    await world.send("manager", "bob", "two")
    await world.connect("bob")
    await world.begin("bob")
    admission = await world.hive.spending.admit(await world.id("bob"), BIG)
    await world.hive.spending.record(admission, Usage(input_tokens=1_000, output_tokens=10))
    world.clock.pass_by(3)
    shown = await view(world, details=True)
    used = {"usd": 0.00315, "tokens": 1_010, "output_tokens": 10, "requests": 1}
    assert (shown["waiting"], shown["model"], shown["linked"]) == (2, BIG, True)
    assert (shown["description"], shown["origin"]) == ("cooks", "declared")
    assert (shown["today"], shown["last_turn"]) == (used, None)
    assert shown["turn"].items() >= {"id": "turn-one", "state": "open", **used}.items()
    assert shown["turn"]["duration_ms"] == 3_000
    assert shown["budget"] == {"usd_per_day": 2.5, "usd_per_turn": None, "tokens_per_day": None}
    assert shown["models"] == ["big", "other", "small"]
    assert shown["settings"]["allowedRecipients"] == ("*",)
    await world.end("bob")
    shown = await view(world)
    assert (shown["waiting"], shown["turn"], shown["last_turn"]["state"]) == (0, None, "clean")


async def test_a_hold_says_why_and_for_how_long(world: World) -> None:
    id_ = await world.id("bob")
    await world.hive.spending.upstream_refused(id_, "rate_limited", None, "429")
    world.clock.pass_by(15)
    assert (await view(world))["hold"] == {
        "reason": "rate_limited",
        "detail": "429",
        "until": "2023-11-14T22:14:20.000Z",
        "seconds": 45,
    }
    await world.save("bob", hold=Hold("credential", None, "401"))
    hold = (await view(world))["hold"]
    assert (hold["until"], hold["seconds"]) == (None, None)


async def everything(world: World) -> list[View]:
    questions = await world.read(lambda tx: tx.questions.recent())
    deliveries = await world.read(lambda tx: tx.messages.recent())
    shown = [
        *[await view(world, name, details=True) for name in ("manager", "alice", "bob")],
        *[world.hive.views.question(q) for q in questions],
        *[delivery_view(d) for d in deliveries],
        *[operation_view(o) for o in await world.read(lambda tx: tx.operations.open())],
        *[approval_view(a) for a in await world.read(lambda tx: tx.approvals.recent())],
        *[event_view(e) for e in await world.events()],
        *[audit_view(e) for e in await world.read(lambda tx: tx.audit.recent())],
    ]
    json.dumps(shown, allow_nan=False)  # plain data
    return shown


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0, -1.6e9, 2.6e9])
async def test_no_clock_step_makes_a_number_negative(world: World, step: float) -> None:
    await world.ask("alice", ttl_seconds=60)
    await world.ask("alice", to="bob", ttl_seconds=60)
    await world.connect("bob")
    await world.begin("bob")
    request = RequestSpawn(name="carol", key="k")
    await world.hive.approvals.request_spawn(await world.sender("manager"), request)
    await world.hive.agents.restart("alice")
    id_ = await world.id("alice")
    await world.hive.spending.upstream_refused(id_, "rate_limited", None, "429")
    world.clock.wall += step
    world.clock.pass_by(1)
    shown = await everything(world)
    assert len(shown) > 15
    assert [n for item in shown for n in numbers(item) if n < 0] == []
    await world.end("bob")
    world.clock.reboot()
    shown = await everything(world)
    assert [n for item in shown for n in numbers(item) if n < 0] == []


async def test_a_question_counts_down_and_then_no_more(world: World) -> None:
    id_ = await world.ask("alice", "tea?", options=("yes",), ttl_seconds=60)

    async def shown() -> View:
        question = await world.read(lambda tx: tx.questions.get(id_))
        assert question is not None
        return world.hive.views.question(question)

    world.clock.pass_by(20)
    assert (await shown())["seconds_left"] == 40
    assert (await shown())["options"] == ["yes"]
    world.clock.pass_by(100)
    assert (await shown())["seconds_left"] == 0
    await world.hive.questions.expire()
    resolved = await shown()
    assert (resolved["seconds_left"], resolved["state"]) == (None, "expired")
    assert resolved["resolved_at"] == "2023-11-14T22:15:20.000Z"


async def test_a_delivery_is_shown_with_its_message(world: World) -> None:
    await world.send("alice", "bob")
    (delivery,) = await world.inbox("bob")
    assert delivery_view(delivery) == {
        "id": delivery.message.id,
        "delivery": delivery.id,
        "from": "alice",
        "to": "bob",
        "kind": "agent",
        "body": "hello",
        "thread": delivery.message.id,
        "in_reply_to": None,
        "sent_at": "2023-11-14T22:13:20.000Z",
        "state": "accepted",
        "attempt": 1,
        "outcome": "",
        "settled_at": None,
    }
