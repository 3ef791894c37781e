"""What the service keeps of evaluations and builds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.untrusted import Bundle
from hyperhive.hive.change_rows import Closure
from hyperhive.hive.deploy_rows import Built, Checked
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import BuildFailed, InvalidField, Unavailable
from hyperhive.service import nix_builds
from hyperhive.service.git_configs import GitConfigs
from hyperhive.service.nix_builds import NixBuilds, check_as_evaluated
from tests.flakes.nix_bench import DRV, HASH, PROPOSAL, Bench

BUILT = Built("host-1", DRV, f"/nix/store/{HASH}-system", AgentSettings(model="opus"))
FIRST: dict[str, bytes | None] = {"agent.nix": b"one", "declared.json": b"{}"}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("os.path.lexists", lambda path: True)  # there is no store here
    return Bench(tmp_path)


@pytest.fixture
def builds(tmp_path: Path, bench: Bench, git: Repositories) -> NixBuilds:
    return NixBuilds(bench.nix, git, tmp_path / "flake", tmp_path / "deploys")


async def test_an_evaluation_says_what_it_comes_to(
    bench: Bench, builds: NixBuilds, configs: GitConfigs
) -> None:
    commit = await configs.declare("alice", FIRST, None)
    bench.answering({"ok": True, **PROPOSAL}, "evaluating\nwarning: old\n")
    built = await builds.evaluate(7, "alice", commit)
    assert (built.host, built.drv, built.bundle) == (builds.host, DRV, "")
    assert (built.settings.model, built.system) == ("opus", PROPOSAL["system"])
    assert bench.seen["agent"] == "alice"
    assert await builds.log(7, 0) == ("evaluating\nwarning: old\n", 24)


async def test_a_proposal_is_checked_and_kept_until_it_is_dropped(
    bench: Bench, builds: NixBuilds, configs: GitConfigs
) -> None:
    commit = await configs.declare("alice", FIRST, None)
    closure = {"built": True, "added": ["b-1"], "removed": ["a-1"], "sizeBefore": 5}
    bench.answering({"ok": True, **PROPOSAL, "closure": closure}, "warning: old\n")
    checked = await builds.check(7, "alice", commit, BUILT.system)
    assert checked == Checked(
        replace(BUILT, host=builds.host),
        ("old",),
        Closure(built=True, added=("b-1",), removed=("a-1",), size_before=5),
    )
    assert bench.seen["running"] == BUILT.system
    for _ in range(2):
        await builds.keep("alice", {"running": f"/nix/store/{HASH}-one"})
        assert await bench.nix.kept("alice", "proposed") == DRV
    bench.answering({"ok": False, "reason": "build", "error": "no"}, "building\n")
    with pytest.raises(BuildFailed):
        await builds.build(7, "alice", checked.built)
    assert await builds.log(7, 0) == ("warning: old\nbuilding\n", 22)
    for _ in range(2):
        await builds.drop("alice")
        assert await bench.nix.kept("alice", "proposed") is None
        assert await bench.nix.kept("alice", "running") == f"/nix/store/{HASH}-one"


@pytest.mark.parametrize("step", range(6))
async def test_killed_at_any_step_what_runs_and_what_ran_stay(
    bench: Bench, builds: NixBuilds, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    one, two, three = (f"/nix/store/{HASH}-{word}" for word in ("one", "two", "three"))
    await builds.keep("alice", {"running": two, "previous": one})
    await bench.nix.keep("alice", "pending", three)
    steps = 0

    def counted(call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def until(*arguments: Any) -> None:
            nonlocal steps
            if (steps := steps + 1) > step:
                raise Unavailable("killed")
            await call(*arguments)

        return until

    for name in ("keep", "release"):
        monkeypatch.setattr(bench.nix, name, counted(getattr(bench.nix, name)))
    with suppress(Unavailable):
        await builds.keep("alice", {"running": three, "previous": two})
    kept = {os.readlink(path) for path in bench.roots.iterdir()}
    assert {two, three} <= kept
    assert one not in kept or step == 0


async def test_of_what_a_system_consists_may_be_unknown(
    bench: Bench, builds: NixBuilds, configs: GitConfigs
) -> None:
    commit = await configs.declare("alice", FIRST, None)
    bench.answering({"ok": True, **PROPOSAL, "closure": None})
    assert (await builds.check(7, "alice", commit, None)).closure is None


async def test_a_log_is_of_both_and_read_on_in_whole_lines(
    bench: Bench, builds: NixBuilds, configs: GitConfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = await configs.declare("alice", FIRST, None)
    bench.answering({"ok": True, **PROPOSAL}, "one\n")
    await builds.evaluate(7, "alice", commit)
    bench.answering({"ok": False, "reason": "build", "error": "no"}, "zwölf\nthree\n")
    with pytest.raises(BuildFailed, match="no"):
        await builds.build(7, "alice", BUILT)
    assert bench.seen["drv"] == DRV
    assert await builds.log(7, 0) == ("one\nzwölf\nthree\n", 17)
    assert await builds.log(7, 11) == ("three\n", 17)
    assert await builds.log(7, 17) == ("", 17)
    assert await builds.log(7, 999) == ("", 999)
    assert await builds.log(8, 0) == ("", 0)
    monkeypatch.setattr(nix_builds, "MAX_LOG", 12)
    assert await builds.log(7, 0) == ("one\nzwölf\n", 11)


async def test_old_logs_make_room(
    tmp_path: Path, builds: NixBuilds, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nix_builds, "KEPT_LOGS", 3)
    bench.answering({"ok": False, "reason": "build", "error": "no"}, "line\n")
    for deploy in range(8, 14):  # 10 is younger than 9
        with pytest.raises(BuildFailed):
            await builds.build(deploy, "alice", BUILT)
    assert sorted(os.listdir(tmp_path / "deploys")) == ["10.log", "11.log", "12.log", "13.log"]


async def test_a_log_that_cannot_be_written_is_told(tmp_path: Path, builds: NixBuilds) -> None:
    (tmp_path / "deploys").write_text("in the way")
    with pytest.raises(Unavailable, match="deploys cannot be written to"):
        await builds.build(7, "alice", BUILT)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
async def test_a_full_disk_costs_the_log_and_not_the_deploy(
    tmp_path: Path, bench: Bench, builds: NixBuilds, configs: GitConfigs
) -> None:
    commit = await configs.declare("alice", FIRST, None)
    (tmp_path / "deploys").mkdir()
    (tmp_path / "deploys" / "7.log").symlink_to("/dev/full")
    bench.answering({"ok": True, **PROPOSAL}, "one\ntwo\n")
    assert (await builds.evaluate(7, "alice", commit)).drv == DRV


async def test_what_runs_and_what_ran_outlive_a_collection(bench: Bench, builds: NixBuilds) -> None:
    one, two = f"/nix/store/{HASH}-one", f"/nix/store/{HASH}-two"
    await bench.nix.keep("alice", "pending", two)
    await bench.nix.keep("alice", "proposed", DRV)
    await builds.keep("alice", {"running": two, "previous": one})
    links = {link.name: os.readlink(link) for link in bench.roots.iterdir()}
    assert links == {"alice-running": two, "alice-previous": one, "alice-proposed": DRV}
    await builds.keep("alice", {"running": one})
    assert sorted(os.listdir(bench.roots)) == ["alice-proposed", "alice-running"]
    for _ in range(2):
        await builds.forget("alice")
    assert os.listdir(bench.roots) == []


def test_what_is_built_must_be_what_was_evaluated() -> None:
    same = Bundle(f"/nix/store/{HASH}-bundle", BUILT.settings, BUILT.system)
    check_as_evaluated(same, BUILT)
    for other, what in (
        (replace(same, system=f"/nix/store/{HASH}-other"), "system"),
        (replace(same, settings=AgentSettings(model="opus", allowed_bash=("*",))), "settings"),
    ):
        with pytest.raises(BuildFailed, match=f"another {what} than was evaluated"):
            check_as_evaluated(other, BUILT)


async def test_cancelling_ends_the_unit(bench: Bench, builds: NixBuilds) -> None:
    begun = asyncio.Event()

    async def work(_: Path) -> None:
        begun.set()
        await asyncio.Event().wait()

    bench.runner.work = work
    task = asyncio.create_task(builds.build(7, "alice", BUILT))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.runner.stopped == ["hyperhive-build@7.service"]


def test_the_host_is_all_that_its_flake_is(tmp_path: Path, git: Repositories, bench: Bench) -> None:
    flake = tmp_path / "flake"

    def host() -> str:
        return NixBuilds(bench.nix, git, flake, tmp_path / "deploys").host

    seen = [host(), host()]
    assert seen[0] == seen[1]
    for name in ("flake.lock", "lib/more.nix"):
        (flake / name).parent.mkdir(exist_ok=True)
        (flake / name).write_text("{ }")
        seen.append(host())
    (flake / "lib/more.nix").rename(flake / "lib/less.nix")
    seen.append(host())
    assert len(set(seen)) == 4
    (flake / "flake.nix").unlink()
    with pytest.raises(InvalidField, match=r"nix.flake: .*flake.nix cannot be read: No such file"):
        host()
