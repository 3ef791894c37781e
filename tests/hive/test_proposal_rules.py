"""A host that is given other rules than those by which a proposal was checked."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.hive.building import Built
from tests.hive.moves import first
from tests.hive.proposing import Clone, becomes

OTHER = '{"model": "other"}'
WHY = "model: 'other' is not a known model"


@pytest.fixture
def clone(built: Built, tmp_path: Path) -> Clone:
    return Clone(built, tmp_path / "clone")


async def proposed(built: Built, clone: Clone) -> int:
    """A request for a model that the host knows so far."""
    async with built.serving():
        number = await clone.propose(declared_json=OTHER)
        await becomes(built, number, "pending")
    return number


async def forget_the_model(built: Built) -> None:
    """The service anew, which knows it no longer."""
    models = {name: model for name, model in built.rules_of.models.items() if name != "other"}
    await built.again(replace(built.rules_of, models=models))


async def test_what_is_allowed_no_more_is_not_left_to_be_approved(
    built: Built, clone: Clone
) -> None:
    before = await first(built)
    number = await proposed(built, clone)
    await forget_the_model(built)
    async with built.serving():
        failed = await becomes(built, number, "failed")
        assert WHY in failed.note
        news = await built.hear("manager", "approval_resolved")
        assert (news["id"], news["status"]) == (number, "failed")
    assert await built.main() == before.commit


async def test_what_was_approved_before_is_not_built(built: Built, clone: Clone) -> None:
    before = await first(built)
    number = await proposed(built, clone)
    await built.hive.approvals.approve(number)
    await forget_the_model(built)
    async with built.serving():
        deploy = await built.over(1)
    assert (deploy.id, deploy.state) == (number, "failed")
    assert WHY in deploy.error
    assert "build alice" not in built.builds.history[2:]
    assert await built.main() == before.commit


async def test_what_is_allowed_as_before_is_not_checked_anew(built: Built, clone: Clone) -> None:
    await first(built)
    number = await proposed(built, clone)
    checks = built.builds.history.count("check alice")
    await built.again(replace(built.rules_of, default_model="small"))
    async with built.serving():
        await built.hive.approvals.approve(number)
        assert (await built.over(1)).state == "done"
    assert built.builds.history.count("check alice") == checks == 1
