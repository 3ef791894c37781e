"""Other ways of a proposal: denied, stale, of a new agent, of an agent for itself."""

from __future__ import annotations

import json

import pytest

from nested.host import NestedHost
from tests.host.proposing import LARGE, proposing

pytestmark = [pytest.mark.claude, pytest.mark.nix]

MODULE = """\
{ ... }: {
  hyperhive.model = "small";
  # Far from the rest,
  # so that changes of both ends
  # do not meet
  # in one place.
  hyperhive.allowedBash = [ "git *" ];
}
"""
LARGER = MODULE.replace('"small"', '"large"')
MORE = MODULE.replace('"git *"', '"git *" "expr *"')
CLONE = "git -C /workspace/agents/alice"


async def test_a_denied_one_is_told_with_its_reason_and_can_be_read_in_git(
    nested: NestedHost,
) -> None:
    async with proposing(nested, {"alice": MODULE}) as p:
        approval = await p.propose("alice", LARGER)
        number, commit = approval["id"], approval["binding"]["commit"]
        p.puppets.reflexes[f"denied/{number}"] = f"{CLONE} show denied/{number}"
        await p.cli("deny", str(number), "too dear: ask again in May")
        told = await p.told("approval_resolved", status="denied", sha=commit)
        assert (told["tag"], told["note"]) == (f"denied/{number}", "too dear: ask again in May")
        shown = (await p.came_of(f"denied/{number}")).output  # as soon as it was told
        assert "too dear: ask again in May" in shown
        assert commit in shown
        assert '+  hyperhive.model = "large";' in shown
        assert (await p.agent())["settings"]["model"] == "small"
        assert len((await p.agent())["deploys"]) == 1


async def test_a_stale_base_is_refused_with_the_remedy_and_goes_through_after_it(
    nested: NestedHost,
) -> None:
    async with proposing(nested, {"alice": MODULE}) as p:
        (first,) = (await p.agent())["deploys"]
        approval = await p.propose("alice", LARGER)
        await p.cli("approve", str(approval["id"]))
        assert (await p.over(approval["id"]))["state"] == "done"
        await p.idle("manager")

        await p.bash("manager", f"{CLONE} reset --hard deployed/{first['id']}")
        refused = await p.ask("alice", await p.commit("alice", MORE))
        assert refused.failed
        assert "stale base" in refused.output
        assert "make a commit on top of that" in refused.output
        await p.bash("manager", f"{CLONE} rebase applied/main")
        rebased = await p.bash("manager", f"{CLONE} rev-parse HEAD")
        asked = await p.ask("alice", rebased)
        again = await p.checked(int(json.loads(asked.output)["id"]))
        assert (again["state"], again["binding"]["base"]) == (
            *("pending", approval["binding"]["commit"]),
        )
        await p.cli("approve", str(again["id"]))
        assert (await p.over(again["id"]))["state"] == "done"
        assert await p.bash("alice", "expr 6 + 8") == "14"
        assert p.puppets.models_of("alice")[-1] == LARGE


async def test_what_waits_is_stale_once_another_commit_runs(nested: NestedHost) -> None:
    async with proposing(nested, {"alice": MODULE}) as p:
        first = await p.propose("alice", LARGER)
        await p.cli("approve", str(first["id"]))
        assert (await p.over(first["id"]))["state"] == "done"
        await p.idle("manager")
        waiting = await p.propose("alice", LARGER.replace('"git *"', '"expr *"'))
        assert waiting["state"] == "pending"
        await p.cli("rollback", "alice")
        told = await p.told("approval_resolved", status="stale_base", id=waiting["id"])
        assert "make a commit on top of that" in told["note"]
        assert told["tag"] is None
        assert (await p.agent())["settings"]["allowedBash"] == ["git *"]


async def test_a_new_agent_begins_with_the_module_that_was_asked_for(nested: NestedHost) -> None:
    async with proposing(nested, {}) as p:
        asked = await p.use(
            "manager",
            "mcp__hyperhive__request_spawn",
            name="carol",
            description="Adds up.",
            module=LARGER.replace('"git *"', '"expr *"'),
        )
        assert not asked.failed, asked.output
        approval = await p.checked(int(json.loads(asked.output)["id"]))
        assert (approval["state"], approval["kind"]) == ("pending", "spawn")
        assert approval["binding"]["settings"]["allowedBash"] == ["expr *"]
        await p.cli("approve", str(approval["id"]))
        deploy = await p.over(approval["id"])
        assert (deploy["state"], deploy["agent"]) == ("done", "carol")
        assert await p.bash("carol", "expr 6 + 8") == "14"
        assert set(p.puppets.models_of("carol")) == {LARGE}
        refused = await p.use("carol", "Bash", command="git --version")
        assert "is not on the allow-list" in refused.output
        told = await p.told("rebuilt", agent="carol", ok=True)
        assert told["tag"] == f"deployed/{deploy['id']}"
        # From now on the manager has a clone of it.
        await p.idle("manager")
        clone = await p.bash("manager", "git -C /workspace/agents/carol rev-parse applied/main")
        assert clone == deploy["commit"]


async def test_an_agent_may_propose_for_itself_where_it_is_let(nested: NestedHost) -> None:
    modules = {"alice": MODULE, "bob": MODULE}
    async with proposing(nested, modules, alice={"selfPropose": True}) as p:
        run = p.run_of()
        approval = await p.propose("alice", MORE, by="alice")
        assert approval["requester"] == "alice"
        number, commit = approval["id"], approval["binding"]["commit"]
        await p.cli("approve", str(number), "--commit", commit[:12])
        assert (await p.over(number))["state"] == "done"
        assert await p.bash("alice", "expr 6 + 8") == "14"
        assert p.run_of() == run
        told = await p.told("rebuilt", by="alice", sha=commit, tag=f"deployed/{number}")
        assert told["ok"]

        for other in ("bob", "manager", "nobody"):
            refused = await p.ask(other, commit, by="alice")
            assert refused.failed
            assert "known are: alice" in refused.output
        listed = await p.use("alice", "Glob", pattern="agents/*/agent.nix", path="/workspace")
        assert "agents/alice/agent.nix" in listed.output
        assert "bob" not in listed.output
        refused = await p.ask("bob", commit, by="bob")
        assert refused.failed
        assert not [a for a in await p.approvals() if a["id"] != number]
