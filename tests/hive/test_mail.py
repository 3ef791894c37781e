"""What every message goes through: the count of replies, and helper events that do not pile up."""

from typing import Any

import pytest

from hyperhive.hive.mail import OPERATOR_SENDER, notify, notify_manager
from hyperhive.hive.policy import MailLimits
from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import LoopDetected
from tests.hive.conftest import MakeWorld
from tests.hive.world import World

# --- loops ---


async def pass_on(world: World, name: str, to: str, *, named: bool = True) -> None:
    """Take what waits, write on, handle it."""
    received = await world.recv(name)
    reply_to = received[0]["id"] if named else None
    await world.send(name, to, in_reply_to=reply_to)
    await world.recv(name, ack=tuple(m["delivery"] for m in received))


@pytest.mark.parametrize("named", [True, False], ids=["named replies", "new messages"])
async def test_replies_between_agents_end_as_a_loop(make_world: MakeWorld, named: bool) -> None:
    world = await make_world(mail=MailLimits(max_hops=3))
    await world.send("alice", "bob")
    for name, to in (("bob", "alice"), ("alice", "bob"), ("bob", "alice")):
        await pass_on(world, name, to, named=named)
    with pytest.raises(LoopDetected, match="4 replies between agents"):
        await pass_on(world, "alice", "bob", named=named)
    await world.send("alice", "operator", "we go round in circles")


async def test_a_word_of_the_operator_begins_anew(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(max_hops=1))
    await world.send("operator", "bob")
    await pass_on(world, "bob", "alice")
    await pass_on(world, "alice", "bob")
    with pytest.raises(LoopDetected):
        await pass_on(world, "bob", "alice")


async def ask_round(world: World, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With these in hand alice asks bob, who answers; what alice has in hand then."""
    question = await world.ask("alice", to="bob")
    asked = await world.recv("bob")
    await world.hive.questions.answer(await world.sender("bob"), question, "because")
    await world.recv("bob", ack=tuple(m["delivery"] for m in asked))
    return await world.recv("alice", ack=tuple(m["delivery"] for m in held))


async def test_a_loop_through_questions_is_one_too(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(max_hops=4))
    held = await ask_round(world, [])
    held = await ask_round(world, held)
    with pytest.raises(LoopDetected):
        await ask_round(world, held)
    await world.ask("alice", to="operator")


async def test_after_the_operators_answer_one_may_ask_again(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(max_hops=2))
    await ask_round(world, [])
    question = await world.ask("manager", to="bob")
    await world.hive.questions.answer(OPERATOR_SENDER, question, "let me")
    await world.recv("manager")
    await world.ask("manager", to="bob")


# --- helper events ---


async def tell(world: World, name: str | None, event: str, **data: object) -> None:
    agent = await world.agent(name) if name else None
    await world.database.write(lambda tx: notify(tx, world.clock, agent, event, data))


async def test_a_repeat_replaces_what_nobody_has_read(world: World) -> None:
    for attempt in (1, 2, 3):
        await tell(world, "manager", "container_crash", agent="bob", attempt=attempt)
    await tell(world, "manager", "container_crash", agent="alice", attempt=1)
    await tell(world, "manager", "turn_failed", agent="bob")
    inbox = await world.inbox("manager")
    assert [(d.state, d.outcome) for d in inbox[:2]] == [("acked", "coalesced")] * 2
    waiting = [m["body"] for m in await world.recv("manager")]
    assert waiting == [
        '{"event":"container_crash","agent":"bob","attempt":3}',
        '{"event":"container_crash","agent":"alice","attempt":1}',
        '{"event":"turn_failed","agent":"bob"}',
    ]


async def test_what_is_being_read_is_not_replaced(world: World) -> None:
    await tell(world, "manager", "container_crash", agent="bob", attempt=1)
    (held,) = await world.recv("manager")
    await tell(world, "manager", "container_crash", agent="bob", attempt=2)
    assert len(await world.recv("manager", ack=(held["delivery"],))) == 1


async def test_who_is_gone_is_told_nothing(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    await tell(world, "bob", "needs_update")
    assert await world.inbox("bob") == []


async def test_what_concerns_the_manager_is_told_to_the_operator(world: World) -> None:
    def tell_of_both(tx: Transaction) -> None:
        for about in ("bob", "manager"):
            notify_manager(tx, world.clock, about, "x", {"agent": about})

    await world.database.write(tell_of_both)
    assert await world.told("manager") == [{"event": "x", "agent": "bob"}]
    assert await world.told("operator") == [{"event": "x", "agent": "manager"}]


async def test_helper_events_come_from_the_system(world: World) -> None:
    await tell(world, None, "storage_low")
    (delivery,) = await world.inbox("operator")
    assert (delivery.message.sender, delivery.message.kind) == ("system", "system")
