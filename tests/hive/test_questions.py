"""Questions: asked once, answered once, over at their deadline whatever the clock does."""

import asyncio
from typing import Any

import pytest

from hyperhive.hive.records import Question
from hyperhive.protocol.errors import (
    AlreadyResolved,
    Forbidden,
    NotFound,
)
from tests.hive.world import World


async def get(world: World, id_: int) -> Question:
    question = await world.read(lambda tx: tx.questions.get(id_))
    assert question is not None
    return question


async def answer(world: World, who: str, id_: int, text: str = "because") -> Question:
    return await world.hive.questions.answer(await world.sender(who), id_, text)


async def cancel(world: World, who: str, id_: int) -> Question:
    return await world.hive.questions.cancel(await world.sender(who), id_)


# --- answering ---


async def test_the_operators_answer_reaches_the_asker(world: World) -> None:
    id_ = await world.ask("alice", "tea?", options=("yes", "no"))
    resolved = await answer(world, "operator", id_, "neither, coffee")
    assert (resolved.state, resolved.answerer) == ("answered", "operator")
    assert await world.told("alice") == [
        {
            "event": "operator_answered",
            "id": id_,
            "question": "tea?",
            "answer": "neither, coffee",
            "status": "answered",
        }
    ]
    assert await world.audit() == [("operator", "question.answered", f"question {id_}")]


async def test_a_peers_answer_names_the_answerer(world: World) -> None:
    id_ = await world.ask("alice", "tea?", to="bob")
    await answer(world, "bob", id_, "yes")
    assert await world.told("alice") == [
        {
            "event": "question_answered",
            "id": id_,
            "question": "tea?",
            "answer": "yes",
            "status": "answered",
            "answerer": "bob",
        }
    ]
    assert await world.audit() == []


async def test_the_operator_may_answer_for_a_peer(world: World) -> None:
    id_ = await world.ask("alice", to="bob")
    await answer(world, "operator", id_)
    told = await world.told_last("alice")
    assert (told["event"], told["answerer"]) == ("question_answered", "operator")


async def test_the_first_answer_wins(world: World) -> None:
    id_ = await world.ask("alice", to="bob")
    answers = await asyncio.gather(
        *(answer(world, who, id_, who) for who in ("bob", "operator", "bob")),
        return_exceptions=True,
    )
    (won,) = [a for a in answers if isinstance(a, Question)]
    lost = [a for a in answers if isinstance(a, AlreadyResolved)]
    assert [a.resolution for a in lost] == ["answered", "answered"]
    assert (await get(world, id_)).answer == won.answer
    assert len(await world.told("alice")) == 1


async def test_nobody_else_may_answer(world: World) -> None:
    to_bob, to_operator = await world.ask("alice", to="bob"), await world.ask("alice")
    for who, id_ in (("manager", to_bob), ("alice", to_bob), ("bob", to_operator), ("bob", 999)):
        with pytest.raises(Forbidden) as refusal:
            await answer(world, who, id_)
        assert refusal.value.message == Forbidden().message
    with pytest.raises(NotFound):
        await answer(world, "operator", 999)


# --- the other ends ---


@pytest.mark.parametrize(("who", "to"), [("alice", "operator"), ("operator", "bob")])
async def test_asker_and_operator_may_cancel(world: World, who: str, to: str) -> None:
    id_ = await world.ask("alice", to=to)
    assert (await cancel(world, who, id_)).state == "cancelled"
    told = await world.told_last("alice")
    assert (told["status"], told["answer"]) == ("cancelled", "[cancelled]")
    with pytest.raises(AlreadyResolved) as refusal:
        await answer(world, "operator", id_)
    assert refusal.value.details() == {"resolution": "cancelled"}


async def test_nobody_else_may_cancel(world: World) -> None:
    id_ = await world.ask("alice", to="bob")
    for who in ("bob", "manager"):
        with pytest.raises(Forbidden):
            await cancel(world, who, id_)
    with pytest.raises(NotFound):
        await cancel(world, "operator", 999)


async def test_who_was_asked_does_not_read_what_is_resolved(world: World) -> None:
    ids = [await world.ask("alice", to="bob") for _ in range(3)]
    await cancel(world, "alice", ids[0])
    await answer(world, "operator", ids[1])
    (message,) = await world.recv("bob")
    assert f'"id":{ids[2]},' in message["body"]
    assert [d.outcome for d in await world.inbox("bob")][:2] == ["cancelled", "answered"]


async def test_a_question_expires(world: World) -> None:
    id_ = await world.ask("alice", to="bob", ttl_seconds=60)
    world.clock.pass_by(59)
    assert await world.hive.questions.expire() == 0
    world.clock.pass_by(1)
    assert await world.hive.questions.expire() == 1
    assert await world.hive.questions.expire() == 0
    told = await world.told_last("alice")
    assert (told["status"], told["answer"], told["answerer"]) == (
        "expired",
        "[expired]",
        "deadline",
    )
    assert (await get(world, id_)).state == "expired"


async def test_no_answer_counts_after_the_deadline(world: World) -> None:
    id_ = await world.ask("alice", ttl_seconds=60)
    world.clock.pass_by(60)
    for late in (answer(world, "operator", id_), cancel(world, "alice", id_)):
        with pytest.raises(AlreadyResolved) as refusal:
            await late
        assert refusal.value.resolution == "expired"
    assert await world.hive.questions.expire() == 1
    assert len(await world.told("alice")) == 1


async def test_without_a_time_to_live_it_stays_open(world: World) -> None:
    id_ = await world.ask("alice")
    world.clock.pass_by(10 * 365 * 86_400)
    assert await world.hive.questions.expire() == 0
    assert (await answer(world, "operator", id_)).state == "answered"


def step(seconds: float) -> Any:
    def apply(world: World) -> None:
        world.clock.wall += seconds

    return pytest.param(apply, id=f"{seconds:+.0f} s")


def reboot(world: World) -> None:
    world.clock.reboot(seconds=0)


def service_restart(world: World) -> None:
    world.__post_init__()


STEPS = [step(s) for s in (3_600, -3_600, 86_400, -86_400, 2**31)]


@pytest.mark.parametrize("jolt", [*STEPS, reboot, service_restart])
async def test_nothing_moves_a_deadline_by_more_than_five_seconds(world: World, jolt: Any) -> None:
    id_ = await world.ask("alice", ttl_seconds=600)
    world.clock.pass_by(300)
    jolt(world)
    world.clock.pass_by(295)
    assert await world.hive.questions.expire() == 0
    assert (await get(world, id_)).state == "open"
    world.clock.pass_by(10)
    assert await world.hive.questions.expire() == 1


async def test_the_time_that_the_host_was_off_counts(world: World) -> None:
    await world.ask("alice", ttl_seconds=600)
    world.clock.reboot(seconds=595)
    assert await world.hive.questions.expire() == 0
    world.clock.pass_by(10)
    assert await world.hive.questions.expire() == 1


async def test_answers_are_text_that_no_state_can_be_taken_for(world: World) -> None:
    id_ = await world.ask("alice")
    await answer(world, "operator", id_, "[expired]")
    told = await world.told_last("alice")
    assert (told["status"], told["answer"]) == ("answered", "[expired]")


async def test_each_change_of_a_question_is_an_event(world: World) -> None:
    id_ = await world.ask("alice", "w" * 5_000, to="bob")
    await answer(world, "bob", id_, "b" * 5_000)
    asked, answered = await world.events("question")
    assert (asked.data["id"], asked.data["state"], asked.data["target"]) == (id_, "open", "bob")
    assert answered.data == {
        "id": id_,
        "state": "answered",
        "asker": "alice",
        "target": "bob",
        "question": "w" * 2_000,
        "answer": "b" * 2_000,
        "answerer": "bob",
    }
