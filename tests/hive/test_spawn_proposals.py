"""A new agent that begins with a module of its own: shown first, or made by the operator."""

import asyncio
from dataclasses import replace

import pytest

from hyperhive.hive import approval_steps
from hyperhive.hive.approval_digest import binding_digest
from hyperhive.protocol.errors import Conflict, Forbidden, InvalidField, RateLimited
from hyperhive.protocol.verbs import RequestSpawn
from tests.hive.building import SECONDS, Built, declared
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import Gate
from tests.hive.proposing import becomes, told
from tests.support.wait import wait_for


@pytest.fixture
async def built(make_built: MakeBuilt) -> Built:
    return await make_built(spawned=declared("a template", settings={"prompt": "sing"}))


def spawn(name: str = "bob", module: str | None = "of its own", key: str = "k") -> RequestSpawn:
    return RequestSpawn(name=name, description="helps", module=module, key=key)


async def request(built: Built, wanted: RequestSpawn | None = None, by: str = "manager") -> int:
    proposals = built.hive.need_deploying().proposals
    answer = await proposals.request_spawn(await built.sender(by), wanted or spawn())
    return int(answer["id"])


async def test_it_is_shown_and_runs_when_approved(built: Built) -> None:
    async with built.serving():
        number = await request(built)
        assert await request(built) == number
        shown = await becomes(built, number, "pending")
        assert (shown.kind, shown.agent, shown.agent_id) == ("spawn", "bob", None)
        assert shown.binding["base"] is None
        assert shown.binding["settings"]["prompt"] == "sing"
        assert await built.text(shown.binding["commit"], "bob") == "of its own"
        (commit,) = await built.git.log("bob", 5, shown.binding["commit"])
        assert commit.message.startswith("the module that was asked for")
        await built.hive.approvals.approve(number, "", binding_digest(shown))
        deploy = await built.over(0, "bob")
        assert (deploy.id, deploy.state, deploy.kind) == (number, "done", "change")
        assert deploy.commit == shown.binding["commit"]
        await built.becomes("idle", "bob")
        await becomes(built, number, "done")
    assert [s for s in built.builds.history if "bob" in s] == ["check bob", "build bob"]
    bob = await built.agent("bob")
    assert (bob.origin, bob.description) == ("spawned", "helps")
    assert await told(built, number) == ["approved"]
    assert await built.main("bob") == deploy.commit


async def test_the_defaults_change_below_it_and_leave_the_module(built: Built) -> None:
    async with built.serving():
        number = await request(built)
        await becomes(built, number, "pending")
        await built.hive.approvals.approve(number)
        await built.over(0, "bob")
    spawned = declared("a template", settings={"prompt": "dance"}, apply="always")
    await built.again(replace(built.rules_of, spawned=spawned))
    async with built.serving():
        deploy = await built.over(1, "bob")
    assert await built.text(deploy.commit, "bob", "declared.json") == '{"prompt":"dance"}'
    assert await built.text(deploy.commit, "bob") == "of its own"


async def test_one_that_fails_or_is_denied_leaves_nothing(built: Built) -> None:
    async with built.serving():
        number = await request(built, spawn(module="throw no"))
        failed = await becomes(built, number, "failed")
        assert "error: no" in failed.note
        await wait_for(lambda: not (built.applied / "bob.git").exists(), SECONDS)
        again = await request(built, spawn(key="again"))
        await becomes(built, again, "pending")
        await built.hive.approvals.deny(again, "no need")
        await wait_for(lambda: not (built.applied / "bob.git").exists(), SECONDS)
        await wait_for(lambda: "bob" not in built.builds.proposed, SECONDS)
    assert await told(built, again) == ["denied"]
    assert await built.deploys("bob") == []


async def test_one_that_does_not_come_up_is_there_and_not_built(built: Built) -> None:
    async with built.serving():
        number = await request(built, spawn(module="broken what"))
        await becomes(built, number, "pending")
        await built.hive.approvals.approve(number)
        deploy = await built.over(0, "bob")
        assert deploy.state == "failed"
        await becomes(built, number, "failed")
        shown = await built.becomes("not built", "bob")
    assert "error: what" in shown["problem"]


async def test_what_is_none(built: Built) -> None:
    for module in ("", "  \n"):
        with pytest.raises(InvalidField, match="module: is empty"):
            await request(built, spawn(module=module))
    with pytest.raises(Conflict, match="'alice' is the name of an agent"):
        await request(built, spawn("alice"))
    with pytest.raises(InvalidField, match="`manager` is the manager's"):
        await request(built, spawn("manager"))
    with pytest.raises(Forbidden):
        await request(built, by="alice")
    await request(built)
    with pytest.raises(Conflict, match="a request to spawn bob waits for the operator already"):
        await request(built, spawn(key="other"))


async def test_the_name_was_taken_meanwhile(built: Built) -> None:
    async with built.serving():
        number = await request(built)
        await becomes(built, number, "pending")
        await built.hive.agents.spawn("bob")
        with pytest.raises(Conflict, match="'bob' is the name of an agent"):
            await built.hive.approvals.approve(number)
        await built.over(0, "bob")
    assert await built.kinds("bob") == ["declare done"]


async def test_the_operator_makes_one_directly(built: Built) -> None:
    proposals = built.hive.need_deploying().proposals
    async with built.serving():
        bob = await proposals.spawn("bob", "helps", "of its own", "key")
        assert (await proposals.spawn("bob", "helps", "of its own", "key")).id == bob.id
        deploy = await built.over(0, "bob")
        assert (deploy.state, deploy.actor) == ("done", "operator")
        await built.becomes("idle", "bob")
    assert await built.text(deploy.commit, "bob") == "of its own"
    assert await built.kinds("bob") == ["change done"]


async def test_who_asks_too_often_has_nothing_made(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval_steps, "MAX_HOURLY", 1)
    number = await request(built)
    with pytest.raises(RateLimited):
        await request(built, spawn("carol", key="other"))
    assert not await built.git.exists("carol")
    assert await request(built) == number
    monkeypatch.setattr(approval_steps, "MAX_HOURLY", 3)
    many = [request(built, spawn(f"a{n}", key=f"{n}")) for n in range(9)]
    answers = await asyncio.gather(*many, return_exceptions=True)
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 7
    made = [await built.git.exists(f"a{n}") for n in range(9)]
    assert made == [isinstance(answer, int) for answer in answers]


async def test_a_repeat_has_nothing_made(built: Built) -> None:
    proposals = built.hive.need_deploying().proposals
    number = await request(built)
    before = sorted((built.applied / "bob.git/objects").rglob("*"))
    assert await request(built) == number
    with pytest.raises(Conflict):
        await request(built, spawn(module="of another kind"))
    assert sorted((built.applied / "bob.git/objects").rglob("*")) == before
    await proposals.spawn("carol", "", "of its own", "key")
    before = sorted((built.applied / "carol.git/objects").rglob("*"))
    with pytest.raises(Conflict):
        await proposals.spawn("carol", "", "of another kind", "key")
    assert sorted((built.applied / "carol.git/objects").rglob("*")) == before


async def test_the_defaults_change_before_it_has_come_up(built: Built) -> None:
    async with built.serving():
        number = await request(built, spawn(module="broken what"))
        await becomes(built, number, "pending")
        await built.hive.approvals.approve(number)
        assert (await built.over(0, "bob")).state == "failed"
    for turn, prompt in enumerate(("dance", "play"), 1):
        spawned = declared("a template", settings={"prompt": prompt})
        await built.again(replace(built.rules_of, spawned=spawned))
        async with built.serving():
            deploy = await built.over(turn, "bob")
        assert await built.text(deploy.commit, "bob") == "broken what"
        assert await built.text(deploy.commit, "bob", "declared.json") == f'{{"prompt":"{prompt}"}}'


async def test_what_the_operator_gave_up_only_the_operator_tries_again(built: Built) -> None:
    deploys, gate = built.hive.need_deploying().deploys, Gate(built, "build bob")
    async with built.serving():
        number = await request(built)
        await becomes(built, number, "pending")
        await built.hive.approvals.approve(number)
        await asyncio.wait_for(gate.reached.wait(), SECONDS)
        await deploys.cancel(number)
        with pytest.raises(Conflict, match=f"deploy {number} of bob was cancelled"):
            await deploys.update("bob", "manager")
        gate.opened.set()
        await deploys.update("bob")
        assert (await built.over(1, "bob")).state == "done"


async def test_one_of_the_name_comes_and_goes_meanwhile(built: Built) -> None:
    async with built.serving():
        number = await request(built)
        await becomes(built, number, "pending")
        await built.hive.agents.spawn("bob")
        await built.over(0, "bob")
        await built.hive.agents.destroy("bob", purge=True)
        assert (await becomes(built, number, "expired")).note == "bob was removed"
        again = await request(built, spawn(key="again"))
        await becomes(built, again, "pending")
        await built.hive.approvals.approve(again)
        assert (await built.over(1, "bob")).state == "done"
    assert await told(built, number) == ["expired"]
