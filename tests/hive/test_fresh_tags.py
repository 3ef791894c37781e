"""Whoever is told of a tag finds it, although git has it a moment later."""

from pathlib import Path

import pytest

from hyperhive.hive import fresh_tags
from hyperhive.hive.proposals import Proposals
from hyperhive.service.git_configs import GitConfigs
from tests.hive.building import Built
from tests.hive.moves import anew, first
from tests.hive.proposing import Clone, becomes
from tests.support.wait import let_time_pass


async def tags(built: Built) -> set[str]:
    """As the manager's clone of alice's configuration gets them now."""
    me = await built.sender("manager")
    proposals: Proposals = built.hive.need_deploying().proposals
    return set((await proposals.clones(me.id))["alice"].tags)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """git is slow to name what came to nothing."""
    mark = GitConfigs.mark

    async def slowly(self: GitConfigs, agent: str, word: str, *of: object) -> None:
        if word in ("failed", "denied"):
            await let_time_pass(0.3)
        await mark(self, agent, word, *of)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(GitConfigs, "mark", slowly)


@pytest.mark.usefixtures("late")
async def test_why_it_was_denied(built: Built, tmp_path: Path) -> None:
    await first(built)
    async with built.serving():
        number = await Clone(built, tmp_path / "clone").propose("faster", agent_nix="two")
        await becomes(built, number, "pending")
        await built.hive.approvals.deny(number, "too dear")
        assert f"denied/{number}" in await tags(built)


@pytest.mark.usefixtures("late")
async def test_why_it_was_taken_back(built: Built) -> None:
    await first(built)
    await built.redeclare(alice=anew("one", prompt="sick"))
    async with built.serving():
        failed = await built.over(1)
        assert failed.state == "rolled_back"
        assert f"failed/{failed.id}" in await tags(built)


@pytest.mark.usefixtures("late")
async def test_a_tag_that_does_not_come_keeps_nobody_for_long(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh_tags, "PATIENCE", 0.1)
    await first(built)
    await built.redeclare(alice=anew("one", prompt="sick"))
    async with built.serving():
        failed = await built.over(1)
        assert f"failed/{failed.id}" not in await tags(built)
