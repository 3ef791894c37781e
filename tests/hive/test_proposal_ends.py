"""What follows from a proposal that is over, wherever it was then."""

import asyncio
from pathlib import Path

import pytest

from hyperhive.hive import retry
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.verbs import RequestSpawn
from tests.hive.building import SECONDS, Built, declared
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import Gate, first, first_of_both
from tests.hive.proposing import Clone, becomes
from tests.support.wait import let_time_pass, wait_for


async def test_what_is_denied_before_its_turn_has_its_tag(
    make_built: MakeBuilt, tmp_path: Path
) -> None:
    built = await first_of_both(make_built)
    await built.redeclare(bob=declared("two"))
    gate, clone = Gate(built, "check bob"), Clone(built, tmp_path / "clone")
    async with built.serving():
        await asyncio.wait_for(gate.reached.wait(), SECONDS)
        older = await clone.propose(agent_nix="two")
        number = await clone.propose(agent_nix="three")
        await built.hive.approvals.deny(number, "no")
        gate.opened.set()
        commit = await built.tagged(f"denied/{number}")
        assert await built.tagged(f"proposal/{number}") == commit
        assert not (built.applied / f"alice.git/refs/tags/proposal/{older}").exists()
        await wait_for(lambda: list(built.builds.proposed) == ["bob"], SECONDS)


async def test_a_name_that_is_taken_anew_at_that_moment_keeps_its_commit(
    make_built: MakeBuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = await make_built(spawned=declared("a template"))
    proposals, manager = built.hive.need_deploying().proposals, await built.sender("manager")
    assert built.workshop is not None
    remove, removing, removed = built.workshop[0].remove, asyncio.Event(), asyncio.Event()

    async def slowly(agent: str) -> None:
        removing.set()
        await let_time_pass(0.5)
        await remove(agent)
        removed.set()

    monkeypatch.setattr(built.workshop[0], "remove", slowly)
    async with built.serving():
        wanted = RequestSpawn(name="bob", module="one", key="k")
        number = (await proposals.request_spawn(manager, wanted))["id"]
        await becomes(built, number, "pending")
        await built.hive.approvals.deny(number)
        await asyncio.wait_for(removing.wait(), SECONDS)
        await proposals.spawn("bob", "", "two", "key")
        await asyncio.wait_for(removed.wait(), SECONDS)
        deploy = await built.over(0, "bob")
        assert deploy.state == "done"
        assert await built.main("bob") == deploy.commit


async def test_what_cannot_be_named_keeps_nobody_waiting(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a repository that is damaged, of which much is followed up on at a start."""
    await first(built)
    clone = Clone(built, tmp_path / "clone")
    async with built.serving():
        for text in ("two", "three"):
            number = await clone.propose(agent_nix=text)
            await becomes(built, number, "pending")
            await built.hive.approvals.deny(number, "no")
            await built.tagged(f"denied/{number}")
    assert built.workshop is not None
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def fail(*_: object) -> None:
        asked.set()
        await goes_on.wait()
        raise Unavailable("it is damaged")

    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    monkeypatch.setattr(built.workshop[0], "mark", fail)
    await built.again()
    async with built.serving():
        await asyncio.wait_for(asked.wait(), SECONDS)
        asked.clear()
        number = await clone.propose(agent_nix="five")
        gate = Gate(built, "check alice")
        goes_on.set()
        await asyncio.wait_for(gate.reached.wait(), SECONDS)
        assert not asked.is_set()  # the others come later
        gate.opened.set()
        await becomes(built, number, "pending")
