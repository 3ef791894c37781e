"""What an agent uses, measured on real processes and files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperhive.hive.ports import Usage
from hyperhive.local import usage
from tests.local.conftest import Hive


async def test_all_its_processes_count(hive: Hive) -> None:
    async with hive.running("stripped", "alice") as runtime:
        await hive.children("alice")
        used = await runtime.usage("alice")
        assert used.tasks == 2
        assert used.memory_bytes is not None
        assert 2**20 < used.memory_bytes < 2**30
        assert used.cpu_seconds is not None
        assert 0 <= used.cpu_seconds < 60
        assert used.disk_quota is False


async def test_only_its_own_count(hive: Hive) -> None:
    async with hive.running("wait", "alice", "bob") as runtime:
        assert (await runtime.usage("alice")).tasks == 1


async def test_one_that_does_not_run_uses_nothing(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        await runtime.stop("alice")
        assert await runtime.usage("alice") == Usage()
        assert await runtime.usage("nobody") == Usage()


async def test_its_files_count(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        before = (await runtime.usage("alice")).disk_bytes
        assert before is not None
        deep = hive.files("alice") / "workspace" / "a" / "b"
        deep.mkdir(parents=True)
        (deep / "file").write_bytes(os.urandom(2**20))
        (deep / "away").symlink_to("/usr")
        after = (await runtime.usage("alice")).disk_bytes
        assert after is not None
        assert 2**20 <= after - before < 2**20 + 2**16


@pytest.mark.parametrize("limit", ["MAX_ENTRIES", "MAX_DEPTH"])
async def test_too_many_files_are_not_counted(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(usage, limit, 3)
    async with hive.running("wait", "alice") as runtime:
        path: Path = hive.files("alice") / "home"
        for name in "abcdef":
            path = path / name
        path.mkdir(parents=True)
        used = await runtime.usage("alice")
        assert (used.disk_bytes, used.tasks) == (None, 1)
