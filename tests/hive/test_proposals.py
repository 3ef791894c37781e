"""A commit's way from an agent's clone to a request that the operator decides, and to what runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.hive.approval_digest import binding_digest
from hyperhive.hive.deploy_orders import order_deploy
from hyperhive.hive.mail import Sender
from hyperhive.protocol.errors import (
    AlreadyResolved,
    Conflict,
    Forbidden,
    InvalidField,
    NotFound,
    QueueFull,
    RateLimited,
)
from hyperhive.protocol.verbs import RequestApplyCommit, RequestSpawn
from tests.hive.building import Built, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import ask, first
from tests.hive.proposing import Clone, becomes, told
from tests.hive.world import WORKER


@pytest.fixture
def clone(built: Built, tmp_path: Path) -> Clone:
    return Clone(built, tmp_path / "clone")


def request(commit: str, agent: str = "alice", key: str = "k") -> RequestApplyCommit:
    return RequestApplyCommit(agent=agent, commit_ref=commit, key=key)


async def test_the_whole_way(built: Built, clone: Clone) -> None:
    before = await first(built)
    settings = '{"model": "small", "allowedBash": ["npm *"]}'
    async with built.serving():
        number = await clone.propose("faster", agent_nix="two", declared_json=settings)
        shown = await becomes(built, number, "pending")
        assert (shown.requester, shown.description, shown.agent) == ("manager", "faster", "alice")
        assert shown.binding["base"] == before.commit
        assert shown.binding["settings"]["allowedBash"] == ["npm *"]
        running = await built.hive.approvals.approve(number, "go", binding_digest(shown))
        assert running.state == "running"
        deploy = await built.over(1)
    commit = shown.binding["commit"]
    assert (deploy.id, deploy.state, deploy.commit) == (number, "done", commit)
    assert deploy.built is not None
    assert (deploy.built.drv, deploy.approval_id) == (shown.binding["drv"], number)
    assert (await becomes(built, number, "done")).note == "go"
    assert await built.main() == commit
    for word in ("proposal", "approved", "building", "deployed"):
        assert await built.tagged(f"{word}/{number}") == commit
    # What was shown is what was built: it was evaluated once.
    assert built.builds.history[2:] == ["check alice", "build alice"]
    assert (await built.agent("alice")).settings.model == "small"
    assert await told(built, number) == ["approved"]
    (news,) = [n for n in await built.told("manager") if n.get("deploy") == number]
    assert (news["sha"], news["tag"], news["ok"]) == (commit, f"deployed/{number}", True)
    audit = await built.read(lambda tx: tx.audit.recent(10))
    assert {"approval.approved", "deploy.change"} <= {entry.action for entry in audit}


async def test_a_repeat_is_the_same_request(built: Built, clone: Clone) -> None:
    base = await _ready(built, clone)
    commit = clone.commit(agent_nix="two")
    await clone.upload(commit, base)
    async with built.serving():
        number = await clone.request(commit, key="one")
        await becomes(built, number, "pending")
        assert await clone.request(commit, key="one") == number
        await built.hive.approvals.deny(number)
        assert await clone.request(commit, key="one") == number
        with pytest.raises(Conflict, match="key was used"):
            await clone.request(commit, "another text", key="one")
    assert len(await built.read(lambda tx: tx.approvals.recent())) == 1


async def test_a_newer_one_takes_the_place_of_the_older(built: Built, clone: Clone) -> None:
    await first(built)
    async with built.serving():
        older = await clone.propose(agent_nix="two")
        shown = await becomes(built, older, "pending")
        newer = await clone.propose(agent_nix="three")
        void = await becomes(built, older, "superseded")
        assert void.note == f"approval {newer} takes its place"
        with pytest.raises(AlreadyResolved, match=f"superseded: approval {newer} takes its place"):
            await built.hive.approvals.approve(older, "", binding_digest(shown))
        await becomes(built, newer, "pending")
        await built.hive.approvals.approve(newer)
        deploy = await built.over(1)
    assert await built.text(deploy.commit) == "three"
    assert await told(built, older) == ["superseded"]
    assert await built.tagged(f"proposal/{older}") == shown.binding["commit"]


async def test_what_was_not_uploaded_is_not_known(built: Built, clone: Clone) -> None:
    await _ready(built, clone)
    with pytest.raises(NotFound, match="was not uploaded, or is not held any more"):
        await clone.request(clone.commit(agent_nix="two"))
    assert await built.read(lambda tx: tx.approvals.recent()) == []


async def test_what_does_not_contain_what_runs_is_refused_at_once(
    built: Built, clone: Clone
) -> None:
    deploy = await first(built)
    unrelated = clone.commit(agent_nix="two")  # of a clone that never fetched
    await clone.upload(unrelated, None)
    with pytest.raises(Conflict, match=f"stale base: alice runs {deploy.commit[:12]} by now"):
        await clone.request(unrelated)


async def test_what_was_overtaken_meanwhile_is_stale(
    built: Built, clone: Clone, tmp_path: Path
) -> None:
    await first(built)
    other = Clone(built, tmp_path / "other")
    async with built.serving():
        base = await other.fetch()
        number = await clone.propose(agent_nix="two")
        shown = await becomes(built, number, "pending")
        agent = await built.agent("alice")
        commit = await built.hive.need_deploying().configs.declare(
            "alice", {"agent.nix": b"three"}, base
        )
        await _run(built, agent.id, commit)
        await built.over(1)
        stale = await becomes(built, number, "stale_base")
        assert stale.note.startswith(f"alice runs {commit[:12]} by now")
        with pytest.raises(AlreadyResolved, match="is stale base"):
            await built.hive.approvals.approve(number, "", binding_digest(shown))
        # Asked again, it is refused before it is shown.
        with pytest.raises(Conflict, match=f"stale base: alice runs {commit[:12]}"):
            await clone.request(shown.binding["commit"])
    assert await told(built, number) == ["stale_base"]


async def _run(built: Built, agent_id: int, commit: str) -> None:
    agent = await built.read(lambda tx: tx.agents.get(agent_id))
    assert agent is not None
    await built.database.write(
        lambda tx: order_deploy(tx, built.clock, agent, "change", commit, "operator")
    )


async def test_what_is_denied_has_a_tag_with_the_reason(built: Built, clone: Clone) -> None:
    await first(built)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        shown = await becomes(built, number, "pending")
        await built.hive.approvals.deny(number, "not now")
        assert await built.tagged(f"denied/{number}") == shown.binding["commit"]
        news = await built.hear("manager", "approval_resolved")
    assert (news["status"], news["note"]) == ("denied", "not now")
    assert (news["sha"], news["tag"]) == (shown.binding["commit"], f"denied/{number}")
    with pytest.raises(AlreadyResolved, match="is denied"):
        await built.hive.approvals.approve(number)
    assert len(await built.deploys()) == 1


# --- who may, and what is none ---


async def test_who_may_propose_what(make_built: MakeBuilt, tmp_path: Path) -> None:
    proposer = replace(WORKER, capabilities=("propose",))
    agents = quiet(alice=declared(of=proposer), bob=declared(), carol=declared(of=WORKER))
    built = await make_built(declared=agents)
    proposals = built.hive.need_deploying().proposals
    alice, bob = await built.sender("alice"), await built.sender("bob")
    manager = await built.sender("manager")
    assert list(await proposals.clones(alice.id)) == ["alice"]
    assert set(await proposals.clones(manager.id)) == {"manager", "alice", "bob", "carol"}
    for caller, agent in ((bob, "bob"), (alice, "bob"), (manager, "nobody"), (alice, "manager")):
        with pytest.raises(Forbidden):
            await proposals.request(caller, request("a" * 40, agent))
        with pytest.raises(Forbidden):
            await proposals.receive(caller.id, agent, "a" * 40, b"")
        with pytest.raises(Forbidden):
            await proposals.pack(caller.id, agent, [], [])
    with pytest.raises(Forbidden):
        await proposals.clones(bob.id)
    async with built.serving():
        await built.over()
        number = await Clone(built, tmp_path / "own", "alice").propose(agent_nix="two")
        assert (await becomes(built, number, "pending")).requester == "alice"
        await built.hive.approvals.approve(number)
        await built.over(1)
    assert await told(built, number, "alice") == ["approved"]
    for name in ("manager", "alice"):
        assert number in [n.get("deploy") for n in await built.told(name)], name


@pytest.mark.parametrize("commit", ["abcd", "a" * 39, "a" * 41, "A" * 40, "main", "a" * 39 + "\n"])
async def test_only_full_ids(built: Built, commit: str) -> None:
    manager = await built.sender("manager")
    with pytest.raises(InvalidField, match="commit_ref"):
        await built.hive.need_deploying().proposals.request(manager, request(commit))


async def test_what_runs_already_is_no_proposal(built: Built, clone: Clone) -> None:
    deploy = await first(built)
    with pytest.raises(Conflict, match="already"):
        await clone.request(deploy.commit)


async def test_no_more_than_the_operator_can_look_at(built: Built) -> None:
    manager = await built.sender("manager")
    approvals = built.hive.approvals
    for n in range(50):
        await approvals.request_spawn(manager, RequestSpawn(name=f"a{n}", key=f"key-{n}"))
    with pytest.raises(QueueFull, match="50 of your requests"):
        await approvals.request_spawn(manager, RequestSpawn(name="more", key="more"))


async def test_no_more_an_hour_than_are_needed(built: Built) -> None:
    manager = await built.sender("manager")
    approvals = built.hive.approvals
    for n in range(60):
        wanted = RequestSpawn(name=f"a{n}", key=f"key-{n}")
        asked = await approvals.request_spawn(manager, wanted)
        await approvals.deny(asked["id"])
    more = RequestSpawn(name="more", key="more")
    with pytest.raises(RateLimited, match="60 requests within an hour") as refusal:
        await approvals.request_spawn(manager, more)
    assert 3_500 < refusal.value.retry_after <= 3_600
    with pytest.raises(RateLimited):  # whether there is such a commit is not looked for any more
        await built.hive.need_deploying().proposals.request(manager, request("c" * 40))
    built.clock.pass_by(refusal.value.retry_after)
    assert await approvals.request_spawn(manager, more)


async def test_what_the_host_declares_is_not_overtaken(built: Built, clone: Clone) -> None:
    await first(built)
    waiting = await ask(built, declared("two"))
    base = await clone.fetch()
    commit = clone.commit(agent_nix="three")
    await clone.upload(commit, base)
    with pytest.raises(Conflict, match=f"approval {waiting.id}, a change of alice by the host's"):
        await clone.request(commit)
    await built.hive.approvals.deny(waiting.id)
    assert await clone.request(commit)


async def _ready(built: Built, clone: Clone) -> str | None:
    await first(built)
    return await clone.fetch()


async def test_decisions_are_made_once(built: Built, clone: Clone) -> None:
    """Two browsers, a double click, a page that shows what is no more."""
    await first(built)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        with pytest.raises(Conflict, match=r"is being checked|has changed since"):
            await built.hive.approvals.approve(number, "", "of another")
        await becomes(built, number, "pending")
        with pytest.raises(Conflict, match="has changed since; look at it again"):
            await built.hive.approvals.approve(number, "", "0" * 64)
        await built.hive.approvals.approve(number)
        for again in (built.hive.approvals.approve(number), built.hive.approvals.deny(number)):
            with pytest.raises(AlreadyResolved, match=r"is (running|done)"):
                await again
        await built.over(1)
    assert await built.kinds() == ["declare done", "change done"]


async def test_the_requester_is_purged_and_its_name_given_away(
    make_built: MakeBuilt, tmp_path: Path
) -> None:
    proposer = replace(WORKER, capabilities=("propose",))
    built = await make_built(spawned=declared(of=proposer))
    async with built.serving():
        await built.hive.agents.spawn("bob")
        await built.over(0, "bob")
        bob: Sender = await built.sender("bob")
        proposals = built.hive.need_deploying().proposals
        commit = await built.hive.need_deploying().configs.declare(
            "bob", {"agent.nix": b"two"}, await built.main("bob")
        )
        await built.git.tag("bob", "proposal/99", commit)
        answer = await proposals.request(bob, request(commit, "bob"))
        shown = await becomes(built, answer["id"], "pending")
        await built.hive.agents.destroy("bob", purge=True)
        await becomes(built, answer["id"], "expired")
        await built.hear("manager", "destroyed")
        await built.hive.agents.spawn("bob")
        with pytest.raises(AlreadyResolved, match="is expired"):
            await built.hive.approvals.approve(answer["id"], "", binding_digest(shown))
        await built.over(1, "bob")
    assert await built.kinds("bob") == ["declare done", "declare done"]
