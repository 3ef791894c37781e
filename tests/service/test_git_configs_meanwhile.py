"""Configurations that are taken over while somebody reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperhive.flakes.quarantine import Quarantine
from hyperhive.service.git_configs import GitConfigs
from tests.flakes.clones import Clone
from tests.service.test_git_configs import FIRST, proposed


async def test_taken_over_while_it_is_read(
    tmp_path: Path, configs: GitConfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the check of a request, while the same commit is asked for or looked at once more."""
    base = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, base)
    clone, where = Clone(tmp_path / "clone"), Quarantine.where
    held: list[str] = []

    async def taken_over(quarantine: Quarantine, name: str, commit: str) -> Path:
        place = await where(quarantine, name, commit)
        if place.suffix == ".incoming":
            held.append(commit)
            await quarantine.pin(name, f"proposal/{len(held)}", commit)
        return place

    monkeypatch.setattr(Quarantine, "where", taken_over)
    for word in ("one", "two", "three", "four"):
        commit, pack = await proposed(configs, clone, base, [word])
        await configs.receive("alice", commit, pack)
        if word == "one":
            assert await configs.contains("alice", commit, base)
        elif word == "two":
            assert len(await configs.tree("alice", commit)) == 40
        elif word == "three":
            assert len(await configs.history("alice", commit, base, 10)) == 1
        else:
            assert (await configs.changes("alice", base, commit, whole=True)).files
        assert held[-1] == commit
    assert len(held) == 4
