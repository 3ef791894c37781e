"""What follows from a proposal that is over, wherever it was then."""

import asyncio
from pathlib import Path

from tests.hive.building import SECONDS, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import Gate
from tests.hive.proposing import Clone
from tests.support.wait import wait_for


async def test_what_is_denied_before_its_turn_has_its_tag(
    make_built: MakeBuilt, tmp_path: Path
) -> None:
    built = await make_built(declared=quiet(alice=declared(), bob=declared()))
    async with built.serving():
        await built.over()
        await built.over(0, "bob")
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
