"""What is wrong on this machine, with the remedy."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperhive import config
from hyperhive.hive.ports import Usage
from hyperhive.local.runtime import LocalRuntime
from hyperhive.protocol.bundle import Limits
from hyperhive.service import doctor
from hyperhive.service.doctor import Doctor
from tests.config.test_options import SMALLEST
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


async def said(made: Doctor, name: str) -> list[tuple[bool, str]]:
    return [(c["ok"], c["text"]) for c in await made.check() if c["name"] == name]


async def test_each_thing_is_told(hive: Swarm, tmp_path: Path) -> None:
    checks = await make(hive, tmp_path).check()
    assert [c["name"] for c in checks] == [
        "isolation",
        *["version"] * 3,
        *["disk"] * 2,
    ]
    assert all(c.keys() == {"name", "ok", "text"} for c in checks)
    isolation = checks[0]
    assert not isolation["ok"]
    assert "plain processes" in isolation["text"]


@pytest.mark.parametrize(("share", "ok"), [(0.0, True), (1.1, False)])
async def test_the_disk(
    hive: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, ok: bool
) -> None:
    monkeypatch.setattr(doctor, "LOW", share)
    disks = await said(make(hive, tmp_path), "disk")
    assert [ok for ok, _ in disks] == [ok, ok]
    assert all(text.startswith(f"{tmp_path} has ") for _, text in disks)


async def test_agents_that_wait_for_space(hive: Swarm, tmp_path: Path) -> None:
    hive.hive.storage.level, hive.hive.storage.free = "critical", 0.04
    ((ok, text),) = await said(make(hive, tmp_path), "storage")
    assert not ok
    assert "agents are stopped until 12% are" in text


async def test_a_disk_without_quotas(hive: Swarm, tmp_path: Path) -> None:
    runtime = FakeRuntime()
    made = make(hive, tmp_path, runtime)
    assert await said(made, "disk quota") == []
    await runtime.start(await hive.agent("alice"))
    ((ok, text),) = await said(made, "disk quota")
    assert ok
    assert text.startswith("no disk quota:")
    assert text.endswith("written by alice")


@pytest.mark.parametrize(("quota", "told"), [(False, [False]), (True, [])])
async def test_a_disk_limit_that_nothing_enforces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: bool, told: list[bool]
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
        assert [ok for ok, _ in found] == told


async def test_a_declared_agent_that_was_destroyed(hive: Swarm, tmp_path: Path) -> None:
    await hive.hive.agents.destroy("alice", purge=False)
    assert await said(make(hive, tmp_path), "declared") == [
        (False, "alice is declared, but was destroyed: revive it to have it back")
    ]


def test_the_configuration_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.read(SMALLEST).state_dir = "/other"  # type: ignore[misc]  # that is the test
