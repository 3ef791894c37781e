"""How a declaration becomes a commit: what is deployed at once, asked for, or left alone."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hyperhive.hive import configurations
from hyperhive.hive.policy import AgentPolicy
from hyperhive.protocol.errors import AlreadyResolved, Unavailable
from tests.hive.building import SECONDS, Built, declared
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import (
    ask,
    files,
    first,
    nothing_follows,
    proposals,
)
from tests.support.wait import wait_for


def with_files(policy: AgentPolicy, **more: bytes | None) -> AgentPolicy:
    return replace(policy, files={k: v for k, v in {**policy.files, **more}.items() if v})


# --- the first commit ---


async def test_the_first_commit_is_the_declaration(built: Built) -> None:
    deploy = await first(built)
    assert await files(built, deploy.commit) == {"agent.nix": "one", "declared.json": "{}"}
    (commit,) = await built.git.log("alice", 10)
    assert (commit.id, commit.parents, commit.author) == (deploy.commit, (), "hyperhive")
    assert commit.message == "as declared in the host's configuration"
    await built.again()
    await nothing_follows(built)


async def test_a_spawned_one_has_the_configuration_of_all_spawned(make_built: MakeBuilt) -> None:
    built = await make_built(spawned=declared("a template"))
    async with built.serving():
        await built.hive.agents.spawn("bob")
        assert (await built.hear("manager", "spawned"))["ok"] is True
        deploy = await built.over(0, "bob")
        assert (deploy.state, deploy.kind) == ("done", "declare")
        await built.becomes("idle", "bob")
    assert await built.text(deploy.commit, "bob") == "a template"


async def test_what_does_not_succeed_is_tried_again(
    built: Built, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(configurations, "RETRY_SECONDS", 0.05)
    assert built.workshop is not None
    configs, troubles = built.workshop[0], iter([Unavailable("git hangs"), ZeroDivisionError()])
    declare = configs.declare

    async def refuse_twice(*args: Any) -> str:
        if trouble := next(troubles, None):
            raise trouble
        return await declare(*args)

    monkeypatch.setattr(configs, "declare", refuse_twice)
    async with built.serving():
        assert (await built.over()).state == "done"
    assert "configuration of alice: git hangs; trying again" in caplog.text
    assert [r.getMessage() for r in caplog.records if r.exc_info] == [
        "configuration of alice: unexpected error; trying again"
    ]
    caplog.clear()


# --- a change ---


async def test_a_change_waits_for_the_operator(built: Built) -> None:
    before = await first(built)
    approval = await ask(built, declared("two"))
    assert (approval.requester, approval.agent) == ("system", "alice")
    assert approval.description == "declared anew: agent.nix"
    commit = approval.binding["commit"]
    assert approval.binding["base"] == before.commit
    assert await files(built, commit) == {"agent.nix": "two", "declared.json": "{}"}
    assert await built.kinds() == ["declare done"]
    await built.again()
    await nothing_follows(built)  # it is asked once
    async with built.serving():
        running = await built.hive.approvals.approve(approval.id, "go")
        assert running.state == "running"
        deploy = await built.over(1)
        assert (deploy.kind, deploy.state, deploy.commit) == ("change", "done", commit)
        assert (deploy.actor, deploy.approval_id) == ("operator", approval.id)
    (done,) = await proposals(built, "done")
    assert (done.id, done.note) == (approval.id, "go")
    assert await built.main() == commit
    await built.again()
    await nothing_follows(built)


async def test_a_newer_change_takes_the_place_of_one_that_waits(built: Built) -> None:
    await first(built)
    older = await ask(built, declared("two", settings={"prompt": "sing"}))
    newer = await ask(built, declared("three", settings={"prompt": "sing"}))
    assert [a.id for a in await proposals(built, "superseded")] == [older.id]
    assert newer.description == "declared anew: agent.nix, declared.json"
    with pytest.raises(AlreadyResolved):
        await built.hive.approvals.approve(older.id)
    assert json.loads((await files(built, newer.binding["commit"]))["declared.json"]) == {
        "prompt": "sing"
    }


async def test_one_that_is_denied_is_not_asked_again(built: Built) -> None:
    await first(built)
    approval = await ask(built, declared("two"))
    await built.hive.approvals.deny(approval.id, "no")
    await nothing_follows(built)
    await built.again()
    await nothing_follows(built)
    # Until the declaration is another; what was denied is still declared.
    again = await ask(built, declared("two", settings={"prompt": "sing"}))
    assert (await files(built, again.binding["commit"]))["agent.nix"] == "two"


async def test_what_is_as_it_was_asks_for_nothing(built: Built) -> None:
    await first(built)
    approval = await ask(built, declared("two"))
    await built.redeclare(alice=declared("one"))
    async with built.serving():
        await wait_for(lambda: proposals(built, "superseded"), SECONDS)
    assert await proposals(built) == []
    with pytest.raises(AlreadyResolved):
        await built.hive.approvals.approve(approval.id)
    assert await built.kinds() == ["declare done"]


async def test_always_means_at_once(built: Built) -> None:
    await first(built)
    await ask(built, declared("two"))
    await built.redeclare(alice=declared("three", apply="always"))
    async with built.serving():
        deploy = await built.over(1)
    assert (deploy.kind, deploy.state, deploy.approval_id) == ("declare", "done", None)
    assert await built.text(deploy.commit) == "three"
    assert await proposals(built) == []


async def test_files_come_and_go_with_the_declaration(built: Built) -> None:
    await first(built)
    policy = declared("two", apply="always")
    await built.redeclare(alice=with_files(policy, **{"lib/a.nix": b"a", "b.nix": b"b"}))
    async with built.serving():
        deploy = await built.over(1)
    assert list(await files(built, deploy.commit)) == [
        *("agent.nix", "b.nix", "declared.json", "lib/a.nix")
    ]
    await built.redeclare(alice=with_files(policy, **{"b.nix": b"b"}))
    async with built.serving():
        deploy = await built.over(2)
    assert list(await files(built, deploy.commit)) == ["agent.nix", "b.nix", "declared.json"]
