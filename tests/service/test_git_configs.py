"""Configurations in real repositories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_objects import File
from hyperhive.hive.deploy_rows import Built
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Conflict, NotFound
from hyperhive.service.git_configs import GitConfigs
from tests.flakes.test_nix import DRV, HASH
from tests.store.given import StepClock

BUILT = Built("host-1", DRV, f"/nix/store/{HASH}-system", AgentSettings(model="opus"))
FIRST: dict[str, bytes | None] = {"agent.nix": b"one", "declared.json": b"{}"}


@pytest.fixture
def git(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path / "applied")


@pytest.fixture
def configs(git: Repositories) -> GitConfigs:
    return GitConfigs(git, StepClock())


async def read(git: Repositories, commit: str) -> dict[str, bytes]:
    entries = await git.list("alice", commit)
    return {e.path: await git.read("alice", commit, e.path, 1_000) for e in entries}


async def test_what_is_declared_is_a_commit_and_no_branch_yet(
    git: Repositories, configs: GitConfigs
) -> None:
    assert await configs.head("alice") is None
    commit = await configs.declare("alice", FIRST, None)
    assert await read(git, commit) == FIRST
    assert await configs.head("alice") is None
    (log,) = await git.log("alice", 5, commit)
    assert (log.author, log.parents, log.at) == ("hyperhive", (), int(StepClock().now()))


async def test_a_change_goes_on_top_and_leaves_the_rest(
    git: Repositories, configs: GitConfigs
) -> None:
    files: dict[str, bytes | File] = {
        "agent.nix": b"one",
        "run": File(b"#!", executable=True),
        "old/x.nix": b"x",
    }
    await git.create("alice")
    base = await git.commit("alice", files, parent=None, message="m", author="a", when=1.0)
    changed = {"agent.nix": b"two", "run": b"#!/bin/sh", "old/x.nix": None, "gone": None}
    commit = await configs.declare("alice", changed, base)
    assert await read(git, commit) == {"agent.nix": b"two", "run": b"#!/bin/sh"}
    assert {e.path: e.kind for e in await git.list("alice", commit)}["run"] == "program"
    assert (await git.log("alice", 1, commit))[0].parents == (base,)


async def test_what_is_so_already_is_no_commit(configs: GitConfigs) -> None:
    base = await configs.declare("alice", FIRST, None)
    assert await configs.declare("alice", FIRST, base) == base
    assert await configs.declare("alice", {"agent.nix": b"one", "gone": None}, base) == base


async def test_the_way_back_is_a_commit_on_top(git: Repositories, configs: GitConfigs) -> None:
    one = await configs.declare("alice", FIRST, None)
    two = await configs.declare("alice", {"agent.nix": b"two"}, one)
    back = await configs.restore("alice", one, two, "back to deploy 1")
    assert await read(git, back) == FIRST
    (log,) = await git.log("alice", 1, back)
    assert (log.parents, log.message) == ((two,), "back to deploy 1")
    with pytest.raises(Conflict, match="alice has that configuration already"):
        await configs.restore("alice", one, back, "again")


async def test_what_came_up_is_main_and_what_did_not_has_a_tag(
    git: Repositories, configs: GitConfigs
) -> None:
    one = await configs.declare("alice", FIRST, None)
    two = await configs.declare("alice", {"agent.nix": b"two"}, one)
    for _ in range(2):  # each may be repeated
        await configs.settle("alice", 1, one)
        await configs.mark("alice", "failed", 2, two, "error: it did\nnot build")
    assert await configs.head("alice") == one
    assert await git.tagged("alice", "deployed/1") == one
    assert await git.tagged("alice", "failed/2") == two
    await configs.settle("alice", 3, two)
    assert await configs.head("alice") == two


async def test_main_never_leaves_what_it_was(configs: GitConfigs) -> None:
    one = await configs.declare("alice", FIRST, None)
    other = await configs.declare("alice", {**FIRST, "agent.nix": b"other"}, None)
    await configs.settle("alice", 1, one)
    with pytest.raises(Conflict, match="does not contain"):
        await configs.settle("alice", 2, other)
    assert await configs.head("alice") == one


async def test_nothing_is_left_of_what_is_removed(
    tmp_path: Path, git: Repositories, configs: GitConfigs
) -> None:
    one = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, one)
    for _ in range(2):
        await configs.remove("alice")
    assert os.listdir(tmp_path / "applied") == []
    assert await configs.head("alice") is None
    with pytest.raises(NotFound):
        await configs.mark("alice", "failed", 1, one, "late")
    again = await configs.declare("alice", FIRST, None)
    assert await configs.head("alice") is None
    await configs.settle("alice", 2, again)
    assert await git.tagged("alice", "deployed/1") is None
