"""What a request is held against, where its rows are not as they usually are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hyperhive.hive.comparisons import Base, Comparison, deploy_of, of_approval
from hyperhive.hive.records import Approval
from tests.hive.building import Built
from tests.hive.moves import first
from tests.hive.proposing import Clone, becomes


def comparison(running: str | None, approved: str | None, previous: str | None) -> Comparison:
    bases = (
        Base("running", running, ""),
        Base("approved", approved, ""),
        Base("previous", previous, ""),
    )
    return Comparison("alice", "shown", bases, None, None)


def test_a_choice_differs_from_the_others_and_from_what_is_shown() -> None:
    def which(running: str | None, approved: str | None, previous: str | None) -> list[str]:
        return [base.which for base in comparison(running, approved, previous).choices]

    assert which("one", "two", "three") == ["running", "approved", "previous"]
    assert which("one", "one", "two") == ["running", "previous"]
    assert which("one", "two", "two") == ["running", "approved"]
    assert which("shown", "two", "shown") == ["approved"]
    assert which(None, "shown", None) == ["running"]


async def asked(built: Built, clone: Clone) -> Approval:
    await first(built)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        return await becomes(built, number, "pending")


async def test_settings_that_are_not_known_any_more_are_none(built: Built, tmp_path: Path) -> None:
    approval = await asked(built, Clone(built, tmp_path / "clone"))

    async def look(settings: object) -> Comparison:
        changed = replace(approval, binding={**approval.binding, "settings": settings})
        return await built.read(lambda tx: of_approval(tx, changed))

    known = await look(approval.binding["settings"])
    assert (known.before, known.after) == ((await built.agent("alice")).settings, known.before)
    for settings in ({"noSuchOption": 1}, {"model": 7}, None):
        assert (await look(settings)).after is None


async def test_a_deploy_of_the_same_number_may_be_another(built: Built, tmp_path: Path) -> None:
    """As in a database from before they shared their numbers."""
    approval = await asked(built, Clone(built, tmp_path / "clone"))
    (deploy,) = await built.deploys()
    other = replace(approval, id=deploy.id)
    assert await built.read(lambda tx: deploy_of(tx, other)) is None
    assert await built.read(lambda tx: deploy_of(tx, approval)) is None
