"""What people are shown of a request: what would change, against what, and why it is not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hyperhive.flakes import git_program
from hyperhive.hive import proposal_views
from hyperhive.hive.approval_digest import binding_digest
from hyperhive.hive.proposal_views import COMMITS_READ, COMMITS_SHOWN, show, show_deploy
from hyperhive.protocol.errors import InvalidField, NotFound
from hyperhive.protocol.verbs import RequestDestroy, RequestSpawn
from tests.hive.building import Built
from tests.hive.moves import first
from tests.hive.proposing import Clone, becomes
from tests.hive.world import World

NPM = '{"allowedBash": ["npm *"], "prompt": "work"}'


@pytest.fixture
def clone(built: Built, tmp_path: Path) -> Clone:
    return Clone(built, tmp_path / "clone")


async def pending(built: Built, clone: Clone, text: str = "", **files: str) -> int:
    """Asked for and checked."""
    async with built.serving():
        number = await clone.propose(text, **files)
        await becomes(built, number, "pending", "failed")
    return number


async def approved(built: Built, number: int) -> None:
    async with built.serving():
        await built.hive.approvals.approve(number)
        await becomes(built, number, "done", "failed", "rolled_back")


def lines(view: dict[str, Any], path: str = "agent.nix") -> list[str]:
    (file,) = [file for file in view["changes"]["files"] if file["path"] == path]
    return [f"{line['kind']} {line['text']}" for line in file["lines"]]


async def test_a_request_is_shown_against_what_runs(built: Built, clone: Clone) -> None:
    before = await first(built)
    number = await pending(built, clone, "faster", agent_nix="two\n", declared_json=NPM)
    view = await show(built.hive, number)
    assert json.loads(json.dumps(view)) == view
    assert (view["approval"]["id"], view["approval"]["description"]) == (number, "faster")
    assert (view["commit"], view["deploy"]) == (view["approval"]["binding"]["commit"], None)
    running = {"which": "running", "commit": before.commit, "label": "what runs now"}
    assert view["base"] == {"which": "running", "commit": before.commit, "choices": [running]}
    assert lines(view) == ["removed one", "added two"]
    assert [file["path"] for file in view["changes"]["files"]] == ["agent.nix", "declared.json"]
    assert view["changes"]["complete"]
    assert [(c["id"], c["author"], c["message"]) for c in view["commits"]] == [
        (view["commit"], "m", "another")
    ]
    assert [(p["effect"], p["option"]) for p in view["privileges"]] == [
        ("wider", "allowedBash"),
        ("other", "prompt"),
    ]
    assert (view["more_commits"], view["problem"]) == (0, "")
    approval = await built.read(lambda tx: tx.approvals.get(number))
    assert approval is not None
    assert view["seen"] == binding_digest(approval)
    assert view["warnings"] == approval.binding["warnings"]
    assert view["closure"] == approval.binding["closure"]


async def test_what_is_not_checked_yet_has_files_but_no_effects(built: Built, clone: Clone) -> None:
    await first(built)
    number = await clone.propose(agent_nix="two")  # where nothing checks it
    view = await show(built.hive, number)
    assert view["approval"]["state"] == "checking"
    assert (view["privileges"], view["closure"], view["warnings"]) == (None, None, [])
    assert lines(view) == ["removed one", "added two"]


async def test_what_does_not_evaluate_is_shown_too(built: Built, clone: Clone) -> None:
    await first(built)
    number = await pending(built, clone, agent_nix="throw it away")
    view = await show(built.hive, number)
    assert (view["approval"]["state"], view["privileges"]) == ("failed", None)
    assert lines(view) == ["removed one", "added throw it away"]


async def test_the_bases_that_there_are(built: Built, clone: Clone) -> None:
    before = await first(built)
    bad = await pending(built, clone, agent_nix="broken tools")
    await approved(built, bad)
    asked = await pending(built, clone, agent_nix="two")
    number = await pending(built, clone, agent_nix="three")
    view = await show(built.hive, number)
    choices = view["base"]["choices"]
    assert [(c["which"], c["label"]) for c in choices] == [
        ("running", "what runs now"),
        ("approved", f"approval {bad}, the last that was approved"),
        ("previous", f"approval {asked}, the one before this"),
    ]
    assert lines(view) == ["removed one", "added three"]
    view = await show(built.hive, number, base="approved")
    assert lines(view) == ["removed broken tools", "added three"]
    assert (view["base"]["which"], view["base"]["commit"]) == ("approved", choices[1]["commit"])
    view = await show(built.hive, number, base="previous")
    assert lines(view) == ["removed two", "added three"]
    assert choices[0]["commit"] == before.commit
    with pytest.raises(InvalidField, match="there is running, approved, previous"):
        await show(built.hive, number, base="other")
    with pytest.raises(InvalidField, match="none that is 'approved' here; there is running"):
        await show(built.hive, bad, base="approved")
    # The same commit is one choice, and what is shown is none.
    again = [c["which"] for c in (await show(built.hive, asked))["base"]["choices"]]
    assert again == ["running", "approved"]


async def test_rights_are_compared_with_what_runs_whatever_the_base(
    built: Built, clone: Clone
) -> None:
    await first(built)
    await pending(built, clone, agent_nix="two", declared_json=NPM)
    number = await pending(built, clone, agent_nix="three", declared_json=NPM)
    view = await show(built.hive, number, base="previous")
    assert [file["path"] for file in view["changes"]["files"]] == ["agent.nix"]
    assert [p["effect"] for p in view["privileges"]] == ["wider", "other"]


async def test_what_was_denied_is_shown_against_what_ran_then(built: Built, clone: Clone) -> None:
    before = await first(built)
    async with built.serving():
        settings = '{"allowedBash": ["npm *"]}'
        number = await clone.propose(agent_nix="two", declared_json=settings)
        await becomes(built, number, "pending")
        view = await show(built.hive, number)
        await built.hive.approvals.deny(number, "no")
        again = await clone.propose(declared_json=settings)
        await becomes(built, again, "pending")
        await built.hive.approvals.approve(again)
        await built.over(1)
    later = await show(built.hive, number)
    assert (view["base"]["commit"], later["base"]["commit"]) == (before.commit, before.commit)
    assert later["privileges"] == view["privileges"] != []
    assert lines(later) == lines(view)
    assert later["base"]["choices"][0]["label"] == f"what ran then, deploy {before.id}"


async def test_what_was_deployed_is_shown_against_what_ran_before(
    built: Built, clone: Clone
) -> None:
    before = await first(built)
    number = await pending(built, clone, agent_nix="two", declared_json=NPM)
    await approved(built, number)
    view = await show(built.hive, number)
    assert (view["approval"]["state"], view["deploy"]["state"]) == ("done", "done")
    assert view["base"]["commit"] == before.commit
    (choice,) = view["base"]["choices"]
    assert choice["label"] == f"what ran before, deploy {before.id}"
    assert lines(view) == ["removed one", "added two"]
    assert [p["effect"] for p in view["privileges"]] == ["wider", "other"]
    assert await show_deploy(built.hive, number) == view


async def test_a_deploy_that_nobody_asked_for(built: Built) -> None:
    deploy = await first(built)
    view = await show_deploy(built.hive, deploy.id)
    assert (view["approval"], view["seen"], view["warnings"]) == (None, None, [])
    assert view["deploy"]["id"] == deploy.id
    assert view["base"]["choices"] == [
        {"which": "running", "commit": None, "label": "nothing: it was new"}
    ]
    assert lines(view) == ["added one"]
    assert {p["effect"] for p in view["privileges"]} == {"wider"}
    with pytest.raises(NotFound, match="no deploy 99"):
        await show_deploy(built.hive, 99)
    with pytest.raises(NotFound, match="no approval 99"):
        await show(built.hive, 99)


async def test_either_is_found_by_its_number(built: Built, clone: Clone) -> None:
    deploy = await first(built)
    number = await pending(built, clone, agent_nix="two")
    either = proposal_views.show_either
    assert await either(built.hive, number, whole=True) == await show(
        built.hive, number, whole=True
    )
    assert (await either(built.hive, deploy.id, whole=False))["deploy"]["id"] == deploy.id
    with pytest.raises(InvalidField, match="base: "):
        await either(built.hive, deploy.id, base="previous", whole=False)
    with pytest.raises(NotFound):
        await either(built.hive, 99, whole=False)


async def test_a_new_agent_has_all_of_it(built: Built) -> None:
    manager = await built.sender("manager")
    request = RequestSpawn(name="zoe", description="new", module="one\ntwo\n", key="k-spawn")
    proposals = built.hive.need_deploying().proposals
    number = (await proposals.request_spawn(manager, request))["id"]
    async with built.serving():
        await becomes(built, number, "pending")
    view = await show(built.hive, number)
    assert lines(view) == ["added one", "added two"]
    assert view["base"]["choices"][0]["label"] == "nothing: it is new"
    assert ("allowedRecipients", "* (all)") in [
        (p["option"], p["what"]) for p in view["privileges"]
    ]


async def test_what_has_no_commit_has_no_changes(world: World) -> None:
    """Also where agents are not built at all."""
    manager, approvals = await world.sender("manager"), world.hive.approvals
    spawn = await approvals.request_spawn(manager, RequestSpawn(name="zoe", key="k-1"))
    destroy = await approvals.request_destroy(manager, RequestDestroy(agent="alice", key="k-2"))
    for asked in (spawn, destroy):
        view = await show(world.hive, asked["id"])
        assert (view["commit"], view["changes"]) == (None, None)
        assert (view["problem"], view["commits"]) == ("", [])
        is_new = asked is spawn
        assert (view["privileges"] is not None) is is_new
        if is_new:  # what all spawned ones may do
            rights = [(p["option"], p["what"]) for p in view["privileges"]]
            assert ("allowedTools", "Bash") in rights


async def test_whole_or_as_much_as_is_read_at_once(built: Built, clone: Clone) -> None:
    await first(built)
    number = await pending(built, clone, agent_nix="two\n" * 5_000)
    view = await show(built.hive, number)
    assert (view["changes"]["complete"], len(lines(view))) == (False, 3_000)
    view = await show(built.hive, number, whole=True)
    assert (view["changes"]["complete"], len(lines(view))) == (True, 5_001)


async def test_many_commits_are_counted(built: Built, clone: Clone) -> None:
    base = await first(built)
    await clone.fetch()
    commits = [clone.commit(agent_nix=f"{n}") for n in range(COMMITS_SHOWN + 3)]
    await clone.upload(commits[-1], base.commit)
    view = await show(built.hive, await clone.request(commits[-1]))
    assert [c["id"] for c in view["commits"]] == commits[:2:-1]
    assert view["more_commits"] == 3 < COMMITS_READ - COMMITS_SHOWN


# --- why it is not there ---


async def test_of_a_purged_agent_nothing_is_left_to_show(built: Built, clone: Clone) -> None:
    await first(built)
    number = await pending(built, clone, agent_nix="two")
    await built.hive.need_deploying().configs.remove("alice")
    view = await show(built.hive, number)
    assert (view["changes"], view["commits"]) == (None, [])
    assert view["problem"] == "alice has no configuration"


async def test_a_damaged_repository(built: Built, clone: Clone) -> None:
    await first(built)
    number = await pending(built, clone, agent_nix="two")
    repository = built.applied / "alice.git"
    shutil.rmtree(repository / "objects")
    (repository / "objects").mkdir()
    view = await show(built.hive, number)
    assert view["changes"] is None
    assert view["problem"]


async def test_a_git_that_hangs(
    built: Built, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first(built)
    number = await pending(built, clone, agent_nix="two")
    (tmp_path / "bin").mkdir()
    hanging = tmp_path / "bin/git"
    hanging.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(git_program, "SECONDS", 0.3)
    view = await show(built.hive, number)
    assert view["changes"] is None
    assert view["problem"] == "git took longer than 0.3 s"
    assert view["privileges"] == []
