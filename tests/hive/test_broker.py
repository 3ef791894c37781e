"""Sending: keys, who may write to whom, bounds, threads, expiry."""

from typing import Any

import pytest

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.policy import AgentPolicy, MailLimits
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Conflict, Forbidden, QueueFull
from tests.hive.conftest import MakeWorld
from tests.hive.world import MANAGER, WORKER, World


def writing_to(*recipients: str) -> dict[str, AgentPolicy]:
    """A manager, alice who may write to these, and bob."""
    alice = AgentPolicy(settings=AgentSettings(allowed_recipients=recipients))
    return {"manager": MANAGER, "alice": alice, "bob": WORKER}


# --- keys ---


async def test_the_same_request_again_gives_the_same_answer(world: World) -> None:
    first = await world.send("alice", "bob", key="k")
    assert await world.send("alice", "bob", key="k") == first
    assert await world.states("bob") == ["hello: accepted 1"]


@pytest.mark.parametrize(
    "other", [{"body": "bye"}, {"to": "manager"}, {"ttl_seconds": 60}], ids=str
)
async def test_a_used_key_is_not_taken_for_another_request(
    world: World, other: dict[str, Any]
) -> None:
    await world.send("alice", "bob", key="k")
    with pytest.raises(Conflict, match="used for another request"):
        await world.send("alice", **{"to": "bob", "key": "k", **other})
    assert await world.states("bob") == ["hello: accepted 1"]
    assert await world.states("manager") == []


async def test_a_key_holds_after_the_message_was_handled(world: World) -> None:
    first = await world.send("alice", "bob", key="k")
    (message,) = await world.recv("bob")
    await world.recv("bob", ack=(message["delivery"],))
    assert await world.send("alice", "bob", key="k") == first
    assert await world.recv("bob") == []


async def test_a_key_of_a_message_is_not_one_of_a_question_or_of_a_recv(world: World) -> None:
    await world.send("alice", "bob", key="k")
    with pytest.raises(Conflict):
        await world.ask("alice", "hello", to="bob", key="k")
    with pytest.raises(Conflict):
        await world.recv("alice", key="k")
    await world.send("bob", "alice", "for alice")
    assert len(await world.recv("alice", key="r")) == 1
    with pytest.raises(Conflict):
        await world.send("alice", "bob", key="r")


async def test_each_sender_has_keys_of_its_own(world: World) -> None:
    ids = [(await world.send(name, "manager", key="k"))["id"] for name in ("alice", "bob")]
    assert ids[0] != ids[1]


async def test_a_refused_request_does_not_use_up_its_key(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(undelivered=1))
    await world.send("alice", "bob", "first")
    with pytest.raises(QueueFull):
        await world.send("alice", "bob", "second", key="k")
    (message,) = await world.recv("bob")
    await world.recv("bob", ack=(message["delivery"],))
    await world.send("alice", "bob", "second", key="k")


async def test_a_repeat_is_answered_although_the_recipient_is_gone(world: World) -> None:
    first = await world.send("alice", "bob", key="k")
    await world.hive.agents.destroy("bob", purge=False)
    assert await world.send("alice", "bob", key="k") == first


# --- who may write to whom ---


@pytest.mark.parametrize(
    ("allowed", "reached"),
    [((), []), (("*",), ["bob"]), (("bob",), ["bob"]), (("carol",), [])],
    ids=str,
)
async def test_a_list_of_recipients_allows_what_it_says(
    make_world: MakeWorld, allowed: tuple[str, ...], reached: list[str]
) -> None:
    world = await make_world(declared=writing_to(*allowed))
    if reached:
        await world.send("alice", "bob")
    else:
        with pytest.raises(Forbidden):
            await world.send("alice", "bob")
    assert len(await world.states("bob")) == len(reached)


async def test_manager_and_operator_can_always_be_written_to(make_world: MakeWorld) -> None:
    world = await make_world(declared=writing_to())
    await world.send("alice", "manager")
    await world.send("alice", "operator")
    assert len(await world.states("manager")) == len(await world.states("operator")) == 1


async def test_unknown_and_forbidden_recipients_look_the_same(make_world: MakeWorld) -> None:
    world = await make_world(declared=writing_to())
    said = []
    for name in ("bob", "nobody"):
        with pytest.raises(Forbidden) as refusal:
            await world.send("alice", name)
        said.append(refusal.value.message.replace(name, "NAME"))
    assert said[0] == said[1]


async def test_who_is_gone_sends_nothing(world: World) -> None:
    await world.hive.agents.destroy("alice", purge=False)
    with pytest.raises(Forbidden):
        await world.send("alice", "bob")
    assert await world.states("bob") == []


@pytest.mark.parametrize("purge", [False, True])
async def test_mail_for_a_destroyed_agent_is_kept_as_undeliverable(
    world: World, purge: bool
) -> None:
    await world.hive.agents.destroy("bob", purge)
    answer = await world.send("alice", "bob")
    assert answer["results"] == [{"to": "bob", "status": "undeliverable"}]
    assert await world.states("bob") == ["hello: undeliverable 1"]


# --- broadcast ---


async def test_a_broadcast_is_one_message_to_everyone_else(world: World) -> None:
    answer = await world.send("alice", "*")
    assert sorted((r["to"], r["status"]) for r in answer["results"]) == [
        ("bob", "accepted"),
        ("manager", "accepted"),
    ]
    deliveries = [d for name in ("manager", "bob") for d in await world.inbox(name)]
    assert [d.message.id for d in deliveries] == [answer["id"]] * 2
    assert await world.inbox("alice") == []


async def test_the_operator_reaches_everyone(world: World) -> None:
    results = (await world.send("operator", "*"))["results"]
    assert {r["to"] for r in results} == {"manager", "alice", "bob"}
    assert {d.message.kind for d in await world.inbox("alice")} == {"operator"}


async def test_a_broadcast_reaches_whom_its_sender_may_write_to(make_world: MakeWorld) -> None:
    world = await make_world(declared=writing_to())
    results = (await world.send("alice", "*"))["results"]
    assert results == [{"to": "manager", "status": "accepted"}]


async def test_a_broadcast_says_who_had_no_room(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(undelivered=1))
    await world.send("alice", "bob", "first")
    results = (await world.send("alice", "*", "second"))["results"]
    assert {r["to"]: r["status"] for r in results} == {"bob": "queue_full", "manager": "accepted"}
    assert await world.states("bob") == ["first: accepted 1"]
    with pytest.raises(QueueFull):
        await world.send("alice", "*", "third")


async def test_a_broadcast_to_nobody_is_refused_and_not_stored(make_world: MakeWorld) -> None:
    world = await make_world(declared={"manager": MANAGER})
    with pytest.raises(Forbidden, match="no other agent"):
        await world.send("manager", "*")
    assert await world.read(lambda tx: tx.messages.get(1)) is None


# --- bounds ---


async def test_a_full_queue_refuses_and_drops_nothing(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(undelivered=3))
    for n in range(3):
        await world.send("alice", "bob", f"m{n}")
    for sender in ("alice", "manager", "operator"):
        with pytest.raises(QueueFull, match="bob has 3 unread messages"):
            await world.send(sender, "bob", "one too many")
    assert [m["body"] for m in await world.recv("bob")] == ["m0", "m1", "m2"]
    with pytest.raises(QueueFull):  # they are leased, not handled
        await world.send("alice", "bob")


async def test_the_queue_holds_a_thousand_unless_said_otherwise(world: World) -> None:
    assert world.rules_of.mail.undelivered == 1_000


async def test_system_mail_is_not_counted_and_the_operator_has_no_cap(
    make_world: MakeWorld,
) -> None:
    world = await make_world(mail=MailLimits(undelivered=1))
    for n in range(3):
        await world.ask("alice", to="bob")
        await world.send("alice", "operator", f"m{n}")
    await world.send("alice", "bob")
    assert len(await world.inbox("bob")) == 4
    assert len(await world.states("operator")) == 3


# --- threads ---


async def test_a_reply_continues_the_thread(world: World) -> None:
    first = (await world.send("alice", "bob"))["id"]
    second = (await world.send("bob", "alice", in_reply_to=first))["id"]
    third = (await world.send("alice", "manager", in_reply_to=second))["id"]
    message = await world.read(lambda tx: tx.messages.get(third))
    assert message is not None
    assert (message.thread, message.in_reply_to) == (first, second)


async def test_only_to_a_message_of_ones_own_one_replies(world: World) -> None:
    private = (await world.send("alice", "manager"))["id"]
    said = []
    for id_ in (private, 999):
        with pytest.raises(Forbidden) as refusal:
            await world.send("bob", "alice", in_reply_to=id_)
        said.append(refusal.value.message.replace(str(id_), "N"))
    assert said[0] == said[1]
    with pytest.raises(Forbidden):
        await world.send("operator", "alice", in_reply_to=private)
    letter = (await world.send("alice", "operator"))["id"]
    await world.send("operator", "alice", in_reply_to=letter)


# --- expiry ---


async def test_a_message_that_nobody_took_in_time_is_not_delivered(world: World) -> None:
    await world.send("alice", "bob", "soon", ttl_seconds=60)
    await world.send("alice", "bob", "kept")
    world.clock.pass_by(61)
    assert [m["body"] for m in await world.recv("bob")] == ["kept"]
    assert await world.hive.broker.expire() == 1
    assert await world.hive.broker.expire() == 0
    assert await world.states("bob") == ["soon: expired 1", "kept: leased 1"]


async def test_what_is_being_handled_does_not_expire(world: World) -> None:
    await world.send("alice", "bob", ttl_seconds=60)
    (message,) = await world.recv("bob")
    world.clock.pass_by(61)
    assert await world.hive.broker.expire() == 0
    await world.recv("bob", ack=(message["delivery"],))
    assert await world.states("bob") == ["hello: acked 1"]


# --- the operator's mail ---


async def test_the_operators_mail_is_read_not_leased(world: World) -> None:
    await world.send("alice", "operator", "one")
    await world.send("bob", "operator", "two")
    assert [d.message.body for d in await world.hive.broker.inbox()] == ["two", "one"]
    await world.hive.broker.mark_read()
    assert await world.states("operator") == ["one: acked 1", "two: acked 1"]
    before = len(await world.events("inbox_read"))
    await world.hive.broker.mark_read()
    assert len(await world.events("inbox_read")) == before == 1


async def test_what_was_not_shown_is_not_read(world: World) -> None:
    await world.send("alice", "operator", "one")
    (shown,) = await world.hive.broker.inbox()
    await world.send("alice", "operator", "two")
    await world.hive.broker.mark_read([shown.id])
    assert await world.states("operator") == ["one: acked 1", "two: accepted 1"]


async def test_what_is_sent_is_an_event_for_each_recipient(world: World) -> None:
    long = "x" * 5_000
    await world.send("operator", "alice", long)
    (event,) = [e for e in await world.events("message") if e.agent == "alice"]
    assert event.data["from"] == OPERATOR_SENDER.name
    assert (event.data["kind"], event.data["to"]) == ("operator", "alice")
    assert event.data["body"] == long[:2_000]
