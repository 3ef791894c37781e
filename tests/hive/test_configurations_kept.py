"""What a declaration leaves alone, and what becomes of one that did not come up."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hyperhive.hive.deploy_orders import order_deploy
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import Conflict, Unavailable
from tests.hive.building import SECONDS, Built, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import (
    Gate,
    ask,
    asked,
    files,
    first,
    first_of_both,
    is_another,
    nothing_follows,
    proposals,
)
from tests.hive.proposing import Clone, becomes
from tests.support.wait import let_time_pass, wait_for

# --- what was approved ---


async def run_commit(built: Built, number: int, **changed: bytes) -> Deploy:
    """As if the operator had approved another commit."""
    assert built.workshop is not None
    paths = {name.replace("_", "."): data for name, data in changed.items()}
    base = await built.main()
    commit = await built.workshop[0].declare("alice", paths, base)

    def order(tx: Transaction) -> Deploy:
        agent = tx.agents.by_name("alice")
        assert agent is not None
        return order_deploy(tx, built.clock, agent, "change", commit, "operator")

    await built.database.write(order)
    return await built.over(number)


async def test_approved_changes_stay_where_the_declaration_does_not_change(built: Built) -> None:
    await first(built)
    async with built.serving():
        await run_commit(built, 1, agent_nix=b"approved", more_nix=b"more")
    await built.redeclare(alice=declared("one", settings={"prompt": "sing"}, apply="always"))
    async with built.serving():
        deploy = await built.over(2)
    found = await files(built, deploy.commit)
    assert (found["agent.nix"], found["more.nix"]) == ("approved", "more")
    assert json.loads(found["declared.json"]) == {"prompt": "sing"}
    await built.redeclare(alice=declared("four", settings={"prompt": "sing"}, apply="always"))
    async with built.serving():
        deploy = await built.over(3)
    found = await files(built, deploy.commit)
    assert (found["agent.nix"], found["more.nix"]) == ("four", "more")


async def test_what_was_approved_already_is_not_deployed_again(built: Built) -> None:
    await first(built)
    async with built.serving():
        await run_commit(built, 1, agent_nix=b"two")
    await built.redeclare(alice=declared("two"))
    await nothing_follows(built)
    assert (await built.agent("alice")).declared.taken == (
        await built.agent("alice")
    ).declared.offered


async def test_what_changes_below_a_proposal_has_it_made_anew(built: Built) -> None:
    await first(built)
    older = await ask(built, declared("two"))
    async with built.serving():
        deploy = await run_commit(built, 1, more_nix=b"more")
        await wait_for(lambda: is_another(built, [older]), SECONDS, "another proposal")
        (newer,) = await proposals(built)
    assert newer.binding["base"] == deploy.commit
    found = await files(built, newer.binding["commit"])
    assert (found["agent.nix"], found["more.nix"]) == ("two", "more")
    assert [a.id for a in await proposals(built, "superseded")] == [older.id]


async def test_a_proposal_on_what_runs_no_more_is_not_approved(built: Built) -> None:
    await first(built)
    approval = await ask(built, declared("two"))
    await built.hive.need_deploying().deploys.update("alice")
    with pytest.raises(Conflict, match="is queued; cancel it, or wait"):
        await built.hive.approvals.approve(approval.id)
    await built.save("alice", deploy=None)
    with pytest.raises(Conflict, match="alice has changed since this was proposed"):
        await built.hive.approvals.approve(approval.id)
    assert (await asked(built)).id == approval.id


@pytest.mark.parametrize(
    ("text", "settings", "state"),
    [("broken", {}, "failed"), ("two", {"prompt": "sick"}, "rolled_back")],
)
async def test_an_approval_ends_as_its_deploy(
    built: Built, text: str, settings: dict[str, str], state: str
) -> None:
    await first(built)
    approval = await ask(built, declared(text, settings=settings))
    async with built.serving():
        await built.hive.approvals.approve(approval.id)
        deploy = await built.over(1)
    assert deploy.state == state
    (over,) = await proposals(built, state)
    assert (over.id, over.note) == (approval.id, deploy.error)
    await nothing_follows(built)


async def test_an_approval_ends_with_a_cancelled_deploy(built: Built) -> None:
    await first(built)
    approval = await ask(built, declared("two"))
    await built.hive.approvals.approve(approval.id)
    await built.hive.need_deploying().deploys.cancel((await built.deploys())[1].id)
    (over,) = await proposals(built, "failed")
    assert over.note == "cancelled by the operator"


# --- mended ---


async def test_a_mended_first_declaration_is_whole(make_built: MakeBuilt) -> None:
    settings = {"prompt": "sing"}
    built = await make_built(declared=quiet(alice=declared("throw", settings=settings)))
    async with built.serving():
        assert (await built.over()).state == "failed"
    await built.again()
    await nothing_follows(built)
    await built.redeclare(alice=declared("one", settings=settings))
    async with built.serving():
        deploy = await built.over(1)
    assert deploy.state == "done"
    assert (await built.agent("alice")).settings.prompt == "sing"
    assert (await built.git.log("alice", 10))[-1].parents == ()


async def test_a_mended_change_is_whole(built: Built) -> None:
    await first(built)
    settings = {"prompt": "sing"}
    await built.redeclare(alice=declared("throw", settings=settings, apply="always"))
    async with built.serving():
        assert (await built.over(1)).state == "failed"
    await built.redeclare(alice=declared("two", settings=settings, apply="always"))
    async with built.serving():
        assert (await built.over(2)).state == "done"
    assert (await built.agent("alice")).settings.prompt == "sing"


async def test_the_commit_that_failed_first_can_be_had_later(make_built: MakeBuilt) -> None:
    """Where not the declaration was at fault."""
    built = await make_built()

    async def step(_: str) -> None:
        raise Unavailable("no network")

    built.builds.step = step
    async with built.serving():
        assert (await built.over()).state == "failed"
        built.builds.step = lambda _: let_time_pass(0)
        await built.hive.need_deploying().deploys.update("alice")
        assert (await built.over(1)).state == "done"
    await built.again()
    await nothing_follows(built)
    declared_now = (await built.agent("alice")).declared
    assert declared_now.taken == declared_now.offered


# --- another host ---


async def updates(built: Built, name: str = "manager") -> list[str]:
    return [t["agent"] for t in await built.told(name) if t["event"] == "needs_update"]


async def test_another_host_is_told_once(make_built: MakeBuilt) -> None:
    manager = declared(of=quiet()["manager"])
    built = await make_built(declared={"manager": manager, "alice": declared()})
    async with built.serving():
        for name in ("alice", "manager"):
            assert (await built.over(0, name)).state == "done"
    assert await updates(built) == []
    for count, host in enumerate(("host-2", "host-3"), 1):
        built.builds.host = host

        async def are_told(count: int = count) -> bool:
            return len(await updates(built)) == len(await updates(built, "operator")) == count

        for _ in range(2):
            await built.again()
            assert (await built.shown())["needs_update"] is True
            async with built.serving():
                await built.becomes("idle")
                await wait_for(are_told, SECONDS, f"{count} of each")
                await let_time_pass(0.2)
                assert await are_told()
        assert await built.kinds() == ["declare done"]
    assert await updates(built) == ["alice", "alice"]  # of each host once
    assert await updates(built, "operator") == ["manager", "manager"]
    assert built.runtime.history.count("start alice-1") == 1
    assert "start alice-2" not in built.runtime.history


async def test_what_is_shown_of_what_runs_no_more_is_made_anew(
    make_built: MakeBuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was still being checked, and nobody had the time to look at it."""
    built = await first_of_both(make_built)
    assert built.workshop is not None
    declare, held, goes_on = built.workshop[0].declare, asyncio.Event(), asyncio.Event()

    async def slowly(agent: str, *of: Any) -> str:
        if agent == "bob":
            held.set()
            await goes_on.wait()
        return await declare(agent, *of)

    monkeypatch.setattr(built.workshop[0], "declare", slowly)
    await built.redeclare(alice=declared("two"), bob=declared("two"))
    gate = Gate(built, "check alice")
    async with built.serving():
        await asyncio.wait_for(gate.reached.wait(), SECONDS)
        await asyncio.wait_for(held.wait(), SECONDS)
        deploy = await run_commit(built, 1, more_nix=b"more")
        gate.opened.set()
        older = await asked(built)
        goes_on.set()

        async def again() -> bool:
            waiting = [a for a in await proposals(built) if a.agent == "alice"]
            return [a.binding["base"] for a in waiting] == [deploy.commit]

        await wait_for(again, SECONDS, "another proposal")
    assert older.binding["base"] != deploy.commit


async def test_a_declaration_that_is_taken_back_voids_only_its_own(
    built: Built, tmp_path: Path
) -> None:
    await first(built)
    of_host = await ask(built, declared("two"))
    await built.hive.approvals.deny(of_host.id)
    async with built.serving():
        number = await Clone(built, tmp_path / "clone").propose(more_nix="more")
        await becomes(built, number, "pending")
    await built.redeclare(alice=declared("one"))
    await nothing_follows(built)
    taken = (await built.agent("alice")).declared
    assert taken.taken == taken.offered
