"""What is proposed is evaluated before anybody decides, whatever happens meanwhile."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.hive import proposal_checks
from hyperhive.hive.approval_digest import binding_digest
from hyperhive.hive.approval_steps import propose
from hyperhive.hive.mail import SYSTEM_SENDER
from hyperhive.protocol.errors import AlreadyResolved, Busy, Conflict
from tests.hive.building import SECONDS, Built, declared
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import Gate, bundle, first, first_of_both, proposals
from tests.hive.proposing import Clone, becomes, told
from tests.support.wait import wait_for


@pytest.fixture
def clone(built: Built, tmp_path: Path) -> Clone:
    return Clone(built, tmp_path / "clone")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"agent_nix": "throw what"}, "error: what"),
        ({"declared_json": '{"model": "gpt"}'}, "model: 'gpt' is not a known model"),
        ({"declared_json": '{"fallbackModel": "gpt"}'}, "fallbackModel: 'gpt' is not"),
    ],
)
async def test_what_cannot_be_built_fails_at_once(
    built: Built, clone: Clone, files: dict[str, str], why: str
) -> None:
    before = await first(built)
    async with built.serving():
        number = await clone.propose(**files)
        failed = await becomes(built, number, "failed")
        assert why in failed.note
        assert await built.tagged(f"failed/{number}") == failed.binding["commit"]
        news = await built.hear("manager", "approval_resolved")
        assert (news["status"], news["tag"]) == ("failed", f"failed/{number}")
        with pytest.raises(AlreadyResolved, match="is failed"):
            await built.hive.approvals.approve(number)
    assert await built.kinds() == ["declare done"]
    assert await built.main() == before.commit


async def test_what_the_host_declares_and_cannot_be_built_is_told_the_manager(
    built: Built,
) -> None:
    await first(built)
    await built.redeclare(alice=declared("throw what"))
    async with built.serving():
        (failed,) = await wait_for(lambda: proposals(built, "failed"), SECONDS)
        news = await built.hear("manager", "approval_resolved")
    assert (news["id"], news["agent"], news["status"]) == (failed.id, "alice", "failed")


async def test_until_it_is_checked_nothing_can_be_approved(built: Built, clone: Clone) -> None:
    await first(built)
    gate = Gate(built, "check alice")
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        await gate.reached.wait()
        with pytest.raises(Conflict, match="is being checked"):
            await built.hive.approvals.approve(number)
        gate.opened.set()
        await becomes(built, number, "pending")


async def test_what_is_denied_or_void_is_not_checked_to_the_end(built: Built, clone: Clone) -> None:
    await first(built)
    gate = Gate(built, "check alice")
    async with built.serving():
        older = await clone.propose(agent_nix="two")
        await gate.reached.wait()
        gate.reached.clear()
        newer = await clone.propose(agent_nix="three")
        await becomes(built, older, "superseded")
        await gate.reached.wait()
        await built.hive.approvals.deny(newer, "no")
        await wait_for(lambda: len(gate.left) == 2, SECONDS, "both to be given up")
        assert await built.tagged(f"denied/{newer}")
    assert await told(built, newer) == ["denied"]


async def test_a_check_goes_on_beside_a_deploy(built: Built, clone: Clone) -> None:
    await first(built)
    gate = Gate(built, "build alice")
    async with built.serving():
        await built.hive.need_deploying().deploys.update("alice")
        await gate.reached.wait()
        number = await clone.propose(agent_nix="two")
        shown = await becomes(built, number, "pending")
        with pytest.raises(Conflict, match="is building; cancel it, or wait"):
            await built.hive.approvals.approve(number)
        gate.opened.set()
        await built.over(1)
        # An update is the same commit: what was shown is still so.
        await built.hive.approvals.approve(number, "", binding_digest(shown))
        assert (await built.over(2)).state == "done"


async def test_what_was_approved_is_built_before_the_next_is_checked(
    built: Built, clone: Clone
) -> None:
    await first(built)
    gate = Gate(built, "build alice")
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        shown = await becomes(built, number, "pending")
        await built.hive.approvals.approve(number)
        await gate.reached.wait()
        later = await clone.propose(agent_nix="three")
        assert built.builds.proposed == {"alice": shown.binding["drv"]}
        gate.opened.set()
        await built.over(1)
        await becomes(built, later, "stale_base")


async def test_what_the_host_asks_for_is_checked_first(
    make_built: MakeBuilt, tmp_path: Path
) -> None:
    built = await first_of_both(make_built)
    clone = Clone(built, tmp_path / "clone")
    older = await clone.propose(agent_nix="two")  # while nothing checks
    bob = await built.agent("bob")
    base = await built.main("bob")
    assert built.workshop is not None
    commit = await built.workshop[0].declare("bob", {"agent.nix": b"two"}, base)
    await built.database.write(
        lambda tx: propose(tx, built.clock, SYSTEM_SENDER, bob, commit, base, "declared anew")
    )
    async with built.serving():
        await becomes(built, older, "pending")
    assert built.builds.history[-2:] == ["check bob", "check alice"]


async def test_a_service_that_ends_in_the_middle_goes_on(built: Built, clone: Clone) -> None:
    await first(built)
    gate = Gate(built, "check alice")
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        await gate.reached.wait()
    gate.opened.set()
    await built.again()
    async with built.serving():
        await becomes(built, number, "pending")
    assert built.builds.history[-1] == "check alice"


async def test_another_host_has_it_checked_anew(built: Built, clone: Clone) -> None:
    await first(built)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        before = await becomes(built, number, "pending")
    built.builds.host = "host-2"
    await built.again()
    async with built.serving():
        await wait_for(lambda: _is_of(built, number, "host-2"), SECONDS, "a new check")
        after = await becomes(built, number, "pending")
        assert binding_digest(before) != binding_digest(after)
        with pytest.raises(Conflict, match="has changed since"):
            await built.hive.approvals.approve(number, "", binding_digest(before))
        await built.hive.approvals.approve(number, "", binding_digest(after))
        assert (await built.over(1)).state == "done"


async def _is_of(built: Built, number: int, host: str) -> bool:
    approval = await built.read(lambda tx: tx.approvals.get(number))
    return approval is not None and approval.binding.get("host") == host


async def test_what_was_approved_for_another_host_is_not_built(built: Built, clone: Clone) -> None:
    before = await first(built)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        await becomes(built, number, "pending")
    await built.hive.approvals.approve(number)
    built.builds.host = "host-2"
    await built.again()
    async with built.serving():
        deploy = await built.over(1)
    assert (deploy.state, deploy.id) == ("failed", number)
    assert "propose it again" in deploy.error
    assert (await becomes(built, number, "failed")).note == deploy.error
    assert "build alice" not in built.builds.history[2:]
    assert await built.main() == before.commit


async def test_what_nobody_is_to_build_any_more_is_let_go(built: Built, clone: Clone) -> None:
    await first(built)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        await becomes(built, number, "pending")
        assert list(built.builds.proposed) == ["alice"]
        await built.hive.approvals.deny(number)
        await wait_for(lambda: built.builds.proposed == {}, SECONDS)
        again = await clone.propose(agent_nix="three")
        shown = await becomes(built, again, "pending")
        assert built.builds.proposed == {"alice": shown.binding["drv"]}
        await built.hive.approvals.approve(again)
        deploy = await built.over(1)
        await wait_for(lambda: built.builds.proposed == {}, SECONDS)
        first_bundle = (await built.deploys())[0]
        await built.keeps(running=bundle(deploy), previous=bundle(first_bundle))


async def test_what_fails_unexpectedly_is_over_and_told(
    built: Built, clone: Clone, caplog: pytest.LogCaptureFixture
) -> None:
    await first(built)

    async def fail(step: str) -> None:
        if step == "check alice":
            raise ZeroDivisionError

    built.builds.step = fail
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        assert "see the log" in (await becomes(built, number, "failed")).note
    assert [r.exc_info is not None for r in caplog.records] == [True]
    caplog.clear()


async def test_a_store_that_is_busy_is_tried_again(
    built: Built, clone: Clone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proposal_checks, "RETRY_SECONDS", 0.05)
    await first(built)
    database, failed = built.database, asyncio.Event()
    read = database.read

    async def fail_once(query: object) -> object:
        task = asyncio.current_task()
        if task and task.get_name() == "proposal checks" and not failed.is_set():
            failed.set()
            raise Busy("busy")
        return await read(query)  # type: ignore[arg-type]  # passed on as it is

    async with built.serving():
        monkeypatch.setattr(database, "read", fail_once)
        number = await clone.propose(agent_nix="two")
        await becomes(built, number, "pending")
        assert failed.is_set()
    assert "busy; trying again" in caplog.text
    caplog.clear()


async def test_the_removal_of_an_agent_ends_its_check(built: Built, clone: Clone) -> None:
    await first(built)
    gate = Gate(built, "check alice")
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        await gate.reached.wait()
        await built.hive.agents.destroy("alice", purge=False)
        await becomes(built, number, "expired")
        await wait_for(lambda: gate.left == ["check alice"], SECONDS)
    shown = await built.read(lambda tx: tx.approvals.get(number))
    assert shown == replace(await becomes(built, number, "expired"))


async def test_a_fault_in_what_follows_ends_nothing(
    built: Built, clone: Clone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proposal_checks, "RETRY_SECONDS", 0.05)
    await first(built)
    drop, failed = built.builds.drop, asyncio.Event()

    async def fail_once(agent: str) -> None:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        await drop(agent)

    monkeypatch.setattr(built.builds, "drop", fail_once)
    async with built.serving():
        number = await clone.propose(agent_nix="two")
        await becomes(built, number, "pending")
        await built.hive.approvals.deny(number)
        await asyncio.wait_for(failed.wait(), SECONDS)
        await becomes(built, await clone.propose(agent_nix="three"), "pending")
    assert [r.getMessage() for r in caplog.records] == ["unexpected error; trying again"]
    caplog.clear()
