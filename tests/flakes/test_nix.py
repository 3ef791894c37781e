"""What the service does around a job's unit; the units themselves run in tests/host."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from hyperhive.flakes.nix import UnitRunner
from hyperhive.nspawn.units import Units
from hyperhive.protocol.builds import Closure
from hyperhive.protocol.errors import BuildFailed, Conflict, InvalidField, Unavailable
from tests.flakes.nix_bench import DRV, HASH, PROPOSAL, SYSTEM, Bench
from tests.support.wait import wait_for


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("os.path.lexists", lambda path: True)  # there is no store here
    return Bench(tmp_path)


def real_units_fit(units: Units) -> UnitRunner:
    """For the type checker."""
    return units


async def test_an_evaluation(bench: Bench) -> None:
    bench.answering({"ok": True, **PROPOSAL}, "one\ntwo")
    lines: list[str] = []
    found = await bench.nix.evaluate(3, "alice", bench.export, lines.append)
    assert (found.drv, found.settings.model, found.warnings) == (DRV, "opus", ("old",))
    assert lines == ["one", "two"]
    asked = {"verb": "eval", "agent": "alice", "seconds": 5, "offline": True, "compare": False}
    assert bench.seen == asked
    assert bench.runner.started == [("hyperhive-eval@3.service", 65)]
    assert await bench.nix.kept("alice", "pending") == DRV
    assert bench.left() == []


@pytest.mark.parametrize(
    ("running", "asked"),
    [
        (SYSTEM, {"running": SYSTEM}),
        (None, {}),
        (DRV, {}),
        ("/usr/lib/systemd", {}),
        ("--option", {}),
    ],
)
async def test_a_proposal_is_kept_beside_what_is_deployed(
    bench: Bench, running: str | None, asked: dict[str, str]
) -> None:
    bench.answering({"ok": True, **PROPOSAL, "closure": {"built": False, "added": ["git-2.44.0"]}})
    await bench.nix.keep("alice", "pending", SYSTEM)
    found = await bench.nix.check(3, "alice", bench.export, running)
    assert (found.drv, found.closure) == (DRV, Closure(built=False, added=("git-2.44.0",)))
    assert {key: bench.seen[key] for key in bench.seen.keys() & {"compare", "running"}} == {
        "compare": True,
        **asked,
    }
    kept = [await bench.nix.kept("alice", role) for role in ("pending", "proposed")]
    assert kept == [SYSTEM, DRV]


async def test_two_are_evaluated_at_the_same_time(bench: Bench) -> None:
    together = asyncio.Barrier(2)
    bench.answering({"ok": True, **PROPOSAL})
    answer = bench.runner.work

    async def work(job: Path) -> None:
        await together.wait()
        await answer(job)

    bench.runner.work = work
    async with asyncio.timeout(20):
        await asyncio.gather(
            bench.nix.evaluate(3, "alice", bench.export),
            bench.nix.check(4, "alice", bench.export, None),
        )
    kept = [await bench.nix.kept("alice", role) for role in ("pending", "proposed")]
    assert kept == [DRV, DRV]
    assert bench.left() == []


async def test_what_garbage_collection_took_meanwhile_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.lexists", lambda path: False)
    bench.answering({"ok": True, **PROPOSAL})
    with pytest.raises(BuildFailed, match="garbage meanwhile; try again") as caught:
        await bench.nix.evaluate(3, "alice", bench.export)
    assert caught.value.reason == "daemon"


async def test_the_reason_comes_with_the_text(bench: Bench) -> None:
    bench.answering({"ok": False, "reason": "recursion", "error": "error: for ever"})
    with pytest.raises(BuildFailed, match="error: for ever") as caught:
        await bench.nix.evaluate(3, "alice", bench.export)
    assert caught.value.to_json()["reason"] == "recursion"
    assert await bench.nix.kept("alice", "pending") is None
    assert bench.left() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"drv": "/etc/passwd"},
        {"drv": f"/nix/store/{HASH}-system"},
        {"drv": f"/nix/store/{HASH}-x.drv\n"},
        {"system": "/"},
        {"system": f"{DRV}"},
        {"settings": {"modle": "x"}},
        {"settings": {"allowedBash": ["git*"]}},
        {"warnings": "text"},
        {"closure": {}},
        {"closure": {"built": True, "added": ["two words"]}},
        {"closure": {"built": True, "removed": ["/nix/store/x"]}},
        {"closure": {"built": True, "added": ["x"] * 202}},
        {"closure": {"built": True, "added": ["x" * 121]}},
        {"closure": {"built": True, "added": ["x\u202e"]}},
        {"closure": {"built": True, "sizeAfter": -1}},
        {"closure": {"built": True, "sizeAfter": 1.5}},
        {"more": 1},
        {"ok": "yes"},
        {"ok": False, "reason": "because", "error": ""},
    ],
)
async def test_an_answer_is_not_believed(bench: Bench, wrong: dict[str, Any]) -> None:
    bench.answering({"ok": True, **PROPOSAL, **wrong})
    with pytest.raises(BuildFailed, match="its answer is none: result") as caught:
        await bench.nix.evaluate(3, "alice", bench.export)
    assert caught.value.reason == "job"
    assert os.listdir(bench.roots) == []


async def test_a_build_is_of_that_derivation_and_its_bundle_is_read(bench: Bench) -> None:
    path = f"/nix/store/{HASH}-alice-bundle"
    bench.answering({"ok": True, "bundle": path})
    with pytest.raises(BuildFailed, match=r"is no bundle: .*No such file"):
        await bench.nix.build(4, "alice", DRV)
    assert bench.seen["drv"] == DRV
    assert bench.seen["verb"] == "build"
    assert bench.runner.started == [("hyperhive-build@4.service", 67)]
    assert await bench.nix.kept("alice", "pending") == path


async def test_a_unit_that_fails_may_have_said_why(bench: Bench) -> None:
    async def work(job: Path) -> None:
        (job / "out/result.json").write_text('{"ok": false, "reason": "stopped", "error": ""}')
        raise Unavailable("the unit failed")

    bench.runner.work = work
    with pytest.raises(BuildFailed) as caught:
        await bench.nix.build(4, "alice", DRV)
    assert caught.value.reason == "stopped"


async def test_a_unit_that_fails_and_says_nothing(bench: Bench) -> None:
    async def work(job: Path) -> None:
        raise Unavailable("hyperhive-build@4.service did not start: oom-kill")

    bench.runner.work = work
    with pytest.raises(Unavailable, match="oom-kill"):
        await bench.nix.build(4, "alice", DRV)
    assert bench.runner.stopped == ["hyperhive-build@4.service"]
    assert bench.left() == []


async def test_who_cancels_ends_the_unit(bench: Bench) -> None:
    begun = asyncio.Event()

    async def work(job: Path) -> None:
        begun.set()
        await asyncio.Event().wait()

    bench.runner.work = work
    task = asyncio.create_task(bench.nix.build(4, "alice", DRV))
    await begun.wait()
    with pytest.raises(Conflict):
        await bench.nix.build(4, "alice", DRV)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.runner.stopped == ["hyperhive-build@4.service"]
    await wait_for(lambda: not bench.left())


async def test_a_disk_that_fills_ends_the_unit(bench: Bench) -> None:
    async def work(job: Path) -> None:
        bench.free = 0.05
        await asyncio.Event().wait()

    bench.runner.work = work
    with pytest.raises(BuildFailed, match="only 5% of the disk"):
        await bench.nix.build(4, "alice", DRV)
    assert bench.runner.stopped == ["hyperhive-build@4.service"]
    assert bench.left() == []


async def test_a_configuration_that_cannot_be_exported_starts_nothing(bench: Bench) -> None:
    async def export(directory: Path) -> None:
        raise InvalidField("agent.nix", "is missing")

    with pytest.raises(InvalidField):
        await bench.nix.evaluate(1, "alice", export)
    assert bench.runner.started == []
    assert bench.left() == []


async def test_what_an_earlier_service_left_is_ended_and_removed(bench: Bench) -> None:
    for name in ("7", "123456789012", "other"):
        (bench.jobs / name / "out").mkdir(parents=True)
    await bench.nix.adopt()
    assert sorted(bench.runner.stopped) == sorted(
        f"hyperhive-{verb}@{id}.service"
        for verb in ("eval", "build")
        for id in ("7", "123456789012")
    )
    assert bench.left() == ["other"]


async def test_who_listens_may_fail_without_harm(bench: Bench) -> None:
    """The job is over then, and its directory gone."""
    bench.answering({"ok": True, **PROPOSAL}, "one\n")

    def listen(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="one"):
        await bench.nix.evaluate(3, "alice", bench.export, listen)
    assert bench.left() == []
