"""Of what is only tried nothing is proposed: what ran before may be back."""

from pathlib import Path

import pytest

from hyperhive.hive.proposal_views import show
from hyperhive.protocol.errors import Conflict
from tests.hive.building import SECONDS, Built
from tests.hive.moves import anew, first
from tests.hive.proposing import Clone, becomes
from tests.support.wait import wait_for


@pytest.fixture
def clone(built: Built, tmp_path: Path) -> Clone:
    return Clone(built, tmp_path / "clone")


async def test_what_is_proposed_during_a_trial_outlives_it(built: Built, clone: Clone) -> None:
    before = await first(built)
    tried = anew("two", prompt="silent", healthTimeout=3, allowedBash=["npm *"])
    await built.redeclare(alice=tried)
    async with built.serving():
        await built.reached("starting", 1)
        number = await clone.propose(declared_json='{"allowedBash": ["npm *"]}')
        await becomes(built, number, "pending")
        with pytest.raises(Conflict, match="is starting; cancel it, or wait"):
            await built.hive.approvals.approve(number)
        shown = await show(built.hive, number)
        assert (await built.over(1)).state == "rolled_back"
        assert shown["base"]["commit"] == before.commit
        assert [(p["option"], p["effect"]) for p in shown["privileges"]] == [
            ("allowedBash", "wider")
        ]
        await built.hive.approvals.approve(number, "", shown["seen"])
        assert (await built.over(2)).state == "done"


async def test_what_comes_up_makes_it_stale(built: Built, clone: Clone) -> None:
    await first(built)
    await built.redeclare(alice=anew("two", prompt="silent"))
    async with built.serving():
        await built.reached("starting", 1)
        number = await clone.propose(agent_nix="three")
        await becomes(built, number, "pending")
        await wait_for(lambda: "alice-2" in built.runtime.bundles, SECONDS)
        await built.connect("alice", "instance-alice-2")
        assert (await built.over(1)).state == "done"
        await becomes(built, number, "stale_base")
