"""What is wrong on this machine, with the remedy."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperhive import config
from hyperhive.hive.ports import Transaction, Usage
from hyperhive.local.runtime import LocalRuntime
from hyperhive.protocol.bundle import Limits
from hyperhive.service import controllers, doctor, versions
from hyperhive.service.doctor import Doctor
from hyperhive.service.versions import FLOORS, Version
from tests.config.test_options import SMALLEST
from tests.support.deploying import workshop
from tests.support.far_side import FakeRuntime
from tests.support.swarm import POLICY, Swarm, swarm


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[Swarm]:
    async with swarm(tmp_path) as made:
        yield made


def make(hive: Swarm, tmp_path: Path, runtime: Any = None, **options: Any) -> Doctor:
    places = {name: str(tmp_path / name / "not-there-yet") for name in ("stateDir", "agentsDir")}
    runtime = runtime or LocalRuntime((), tmp_path / "agents", tmp_path / "run")
    return Doctor(config.read({**SMALLEST, **places, **options}), runtime, hive.hive)


async def said(made: Doctor, name: str) -> list[tuple[str, str]]:
    return [(c["level"], c["text"]) for c in await made.check() if c["name"] == name]


async def test_each_thing_is_told(hive: Swarm, tmp_path: Path) -> None:
    checks = await make(hive, tmp_path).check()
    assert [c["name"] for c in checks] == [
        "isolation",
        *["version"] * 3,
        *["disk"] * 2,
    ]
    assert all(c.keys() == {"name", "level", "text"} for c in checks)
    isolation = checks[0]
    assert isolation["level"] == "warning"
    assert "plain processes" in isolation["text"]


@pytest.mark.parametrize(("part", "level"), [("3.40.1", "warning"), ("", "failure"), ("9.0", "ok")])
async def test_an_old_part_is_a_warning_and_a_missing_one_a_failure(
    hive: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, level: str
) -> None:
    found = Version(FLOORS["sqlite"], part)
    monkeypatch.setattr(versions, "installed", lambda: [found])
    assert await said(make(hive, tmp_path), "version") == [(level, found.text)]


@pytest.mark.parametrize(("share", "level"), [(0.0, "ok"), (1.1, "failure")])
async def test_the_disk(
    hive: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, level: str
) -> None:
    monkeypatch.setattr(doctor, "LOW", share)
    disks = await said(make(hive, tmp_path), "disk")
    assert [found for found, _ in disks] == [level, level]
    assert all(text.startswith(f"{tmp_path} has ") for _, text in disks)


async def test_agents_that_wait_for_space(hive: Swarm, tmp_path: Path) -> None:
    hive.hive.storage.level, hive.hive.storage.free = "critical", 0.04
    ((level, text),) = await said(make(hive, tmp_path), "storage")
    assert level == "failure"
    assert "agents are stopped until 12% are" in text


async def test_a_disk_without_quotas(hive: Swarm, tmp_path: Path) -> None:
    runtime = FakeRuntime()
    made = make(hive, tmp_path, runtime)
    assert await said(made, "disk quota") == []
    await runtime.start(await hive.agent("alice"))
    ((level, text),) = await said(made, "disk quota")
    assert level == "ok"
    assert text.startswith("no disk quota:")
    assert text.endswith("written by alice")


@pytest.mark.parametrize(("quota", "told"), [(False, ["warning"]), (True, [])])
async def test_a_disk_limit_that_nothing_enforces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: bool, told: list[str]
) -> None:
    alice = replace(POLICY.declared["alice"], ceilings=Limits(disk_max=2**30))
    declared = {**POLICY.declared, "alice": alice}
    async with swarm(tmp_path, replace(POLICY, declared=declared)) as hive:
        runtime = FakeRuntime()

        async def usage(_: str) -> Usage:
            return Usage(disk_quota=quota)

        monkeypatch.setattr(runtime, "usage", usage)
        await runtime.start(await hive.agent("alice"))
        found = await said(make(hive, tmp_path, runtime), "disk quota")
        assert [level for level, _ in found] == told


async def test_a_declared_agent_that_was_destroyed(hive: Swarm, tmp_path: Path) -> None:
    await hive.hive.agents.destroy("alice", purge=False)
    assert await said(make(hive, tmp_path), "declared") == [
        ("warning", "alice is declared, but was destroyed: revive it to have it back")
    ]


@pytest.mark.parametrize(
    ("runtime", "told"), [({"kind": "nspawn", "defaultBundle": "/b"}, 1), ({"kind": "local"}, 0)]
)
async def test_limits_that_nothing_enforces(
    hive: Swarm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: dict[str, str],
    told: int,
) -> None:
    monkeypatch.setattr(controllers, "CGROUPS", tmp_path)
    options = config.read({**SMALLEST, "runtime": runtime})
    made = Doctor(options, FakeRuntime(), hive.hive)
    assert [level for level, _ in await said(made, "limits")] == ["warning"] * told
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert await said(made, "limits") == []


async def test_agents_that_do_not_work(hive: Swarm, tmp_path: Path) -> None:
    made = make(hive, tmp_path)
    assert await said(made, "agent") == []
    alice, manager = await hive.agent("alice"), await hive.agent("manager")

    def change(tx: Transaction) -> None:
        tx.agents.save(replace(alice, quarantined="3 crashes within 10 minutes; start it"))
        tx.agents.save(replace(manager, problem="it has no credential"))

    await hive.hive.store.write(change)
    assert sorted(await said(made, "agent")) == [
        ("warning", "alice is quarantined: 3 crashes within 10 minutes; start it"),
        ("warning", "manager is starting: it has no credential"),
    ]


async def test_agents_that_are_not_built(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        told = await said(make(shop.made, tmp_path), "agent")
    assert sorted(told) == [
        ("warning", f"{name} is not built: nothing it was built from has come up yet")
        for name in ("alice", "manager")
    ]


def test_the_configuration_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.read(SMALLEST).state_dir = "/other"  # type: ignore[misc]  # that is the test
