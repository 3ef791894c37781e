"""What is wrong on this machine, with the remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hyperhive import config
from hyperhive.local.runtime import LocalRuntime
from hyperhive.service import doctor
from hyperhive.service.doctor import Doctor
from tests.config.test_options import SMALLEST


def make(tmp_path: Path, **options: Any) -> Doctor:
    places = {name: str(tmp_path / name / "not-there-yet") for name in ("stateDir", "agentsDir")}
    runtime = LocalRuntime((), tmp_path / "agents", tmp_path / "run")
    return Doctor(config.read({**SMALLEST, **places, **options}), runtime)


async def test_each_thing_is_told(tmp_path: Path) -> None:
    checks = await make(tmp_path).check()
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, ok: bool
) -> None:
    monkeypatch.setattr(doctor, "LOW_SPACE", share)
    disks = [c for c in await make(tmp_path).check() if c["name"] == "disk"]
    assert [c["ok"] for c in disks] == [ok, ok]
    assert all(c["text"].startswith(f"{tmp_path} has ") for c in disks)


def test_the_configuration_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.read(SMALLEST).state_dir = "/other"  # type: ignore[misc]  # that is the test
