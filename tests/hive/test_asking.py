"""Who may ask whom, what who is asked is told, and how many questions may be open."""

import pytest

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.policy import AgentPolicy, MailLimits
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Conflict, Forbidden, InvalidField, QueueFull
from hyperhive.protocol.verbs import Ask
from tests.hive.conftest import MakeWorld
from tests.hive.world import MANAGER, WORKER, World


async def test_a_question_to_the_operator_waits_on_the_page(world: World) -> None:
    id_ = await world.ask("alice", "tea?", options=("yes", "no"), multi=True, ttl_seconds=60)
    question = await world.read(lambda tx: tx.questions.get(id_))
    assert question is not None
    assert (question.asker, question.target, question.state) == ("alice", "operator", "open")
    assert (question.question, question.options, question.multi) == ("tea?", ("yes", "no"), True)
    assert question.deadline == world.clock.within(60)
    assert await world.inbox("operator") == []


async def test_a_question_to_an_agent_is_told_with_all_there_is_to_know(world: World) -> None:
    id_ = await world.ask("alice", "tea?", to="bob", options=("yes", "no"), ttl_seconds=60)
    assert await world.told("bob") == [
        {
            "event": "question_asked",
            "id": id_,
            "asker": "alice",
            "question": "tea?",
            "options": ["yes", "no"],
            "multi": False,
            "deadline": "2023-11-14T22:14:20.000Z",
        }
    ]


async def test_the_operator_asks_agents(world: World) -> None:
    id_ = await world.ask("operator", to="bob")
    assert (await world.told_last("bob"))["asker"] == "operator"
    assert (await world.hive.questions.answer(await world.sender("bob"), id_, "so")).answer == "so"
    told = await world.told_last("operator")
    assert (told["event"], told["answer"], told["answerer"]) == ("question_answered", "so", "bob")
    id_ = await world.ask("operator", to="bob")
    count = len(await world.inbox("operator"))
    await world.hive.questions.cancel(OPERATOR_SENDER, id_)
    assert len(await world.inbox("operator")) == count, "who cancels it knows"


@pytest.mark.parametrize(("asker", "to"), [("operator", "operator"), ("alice", "*")])
async def test_whom_nobody_can_ask(world: World, asker: str, to: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        await world.ask(asker, to=to)
    assert refusal.value.field == "to"


async def test_whom_one_may_not_ask_looks_like_nobody(make_world: MakeWorld) -> None:
    silent = AgentPolicy(settings=AgentSettings(allowed_recipients=()))
    world = await make_world(declared={"manager": MANAGER, "alice": silent, "bob": WORKER})
    said = []
    for name in ("bob", "nobody", "alice"):
        with pytest.raises(Forbidden) as refusal:
            await world.ask("alice", to=name)
        said.append(refusal.value.message.replace(name, "NAME"))
    assert len(set(said)) == 1
    await world.ask("alice", to="manager")


async def test_who_is_gone_is_not_asked_and_does_not_ask(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    for asker, to in (("alice", "bob"), ("bob", "alice")):
        with pytest.raises(Forbidden):
            await world.ask(asker, to=to)


async def test_ask_operator_needs_its_capability(world: World) -> None:
    ask = world.hive.questions.ask
    request = Ask(question="why?", key="k")
    with pytest.raises(Forbidden):
        await ask(await world.sender("alice"), request, "manage")
    assert await ask(await world.sender("manager"), request, "manage") == {"id": 1}


async def test_a_key_asks_once(world: World) -> None:
    first = await world.ask("alice", to="bob", key="k")
    assert await world.ask("alice", to="bob", key="k") == first
    with pytest.raises(Conflict):
        await world.ask("alice", "another", to="bob", key="k")
    await world.hive.questions.answer(await world.sender("bob"), first, "because")
    await world.hive.agents.destroy("bob", purge=False)
    assert await world.ask("alice", to="bob", key="k") == first
    assert len(await world.told("bob")) == 1


async def test_open_questions_of_an_agent_are_bounded(make_world: MakeWorld) -> None:
    world = await make_world(mail=MailLimits(open_questions=2))
    first, _ = await world.ask("alice"), await world.ask("alice", to="bob")
    with pytest.raises(QueueFull, match="2 of your questions are open"):
        await world.ask("alice")
    await world.hive.questions.cancel(await world.sender("alice"), first)
    await world.ask("alice")
    for _ in range(3):
        await world.ask("operator", to="bob")
