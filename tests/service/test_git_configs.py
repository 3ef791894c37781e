"""Configurations in real repositories."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.flakes import git_refs
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_objects import Content, File
from hyperhive.hive.change_rows import Refs
from hyperhive.protocol.errors import Conflict, NotFound
from hyperhive.service import git_configs
from hyperhive.service.git_configs import GitConfigs
from tests.flakes.clones import Clone
from tests.flakes.forge import NIX, Forge
from tests.store.given import StepClock

FIRST: dict[str, bytes | None] = {"agent.nix": b"one", "declared.json": b"{}"}


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


async def test_what_is_so_already_is_no_commit(tmp_path: Path, configs: GitConfigs) -> None:
    base = await configs.declare("alice", FIRST, None)
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert await configs.declare("alice", FIRST, base) == base
    assert await configs.declare("alice", {"agent.nix": b"one", "gone": None}, base) == base
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == written


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


# --- as it is proposed ---


async def test_what_clones_are_told(tmp_path: Path, configs: GitConfigs) -> None:
    refs = await configs.refs("alice")
    assert (refs.main, refs.tags) == (None, {})
    one = await configs.declare("alice", FIRST, None)
    two = await configs.declare("alice", {"agent.nix": b"two"}, one)
    assert (await configs.refs("alice")).tags == {}
    await configs.settle("alice", 9, one)
    await configs.mark("alice", "failed", 10, two, "why")
    await configs.mark("alice", "building", 10, two)
    refs = await configs.refs("alice")
    assert refs.main == one
    assert list(refs.tags) == ["building/10", "failed/10", "deployed/9"]
    assert (refs.tags["building/10"], refs.tags["deployed/9"]) == (two, one)
    clone, reason = Clone(tmp_path / "clone"), refs.tags["failed/10"]
    clone.take(await configs.pack("alice", [one], []), one)
    clone.take(await configs.pack("alice", [reason], [one]), reason)
    assert clone.git("rev-parse", "HEAD").decode().strip() == two
    assert clone.git("cat-file", "tag", reason).endswith(b"\nwhy\n")
    assert (await configs.pack("alice", [two], [reason]))[8:12] == b"\0" * 4


async def test_only_the_newest_tags_and_only_words_that_are_known(
    git: Repositories, configs: GitConfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_configs, "MAX_TAGS", 3)
    one = await configs.declare("alice", FIRST, None)
    for number in (2, 10, 9, 1):
        await git.tag("alice", f"deployed/{number}", one)
    await git.tag("alice", "other/11", one)
    assert list((await configs.refs("alice")).tags) == ["deployed/10", "deployed/9", "deployed/2"]


async def proposed(
    configs: GitConfigs, clone: Clone, base: str, texts: Sequence[str]
) -> tuple[str, bytes]:
    """A commit on top of `base` with these as its `agent.nix`, one after the other."""
    clone.take(await configs.pack("alice", [base], []), base)
    commit = [clone.commit(agent=text) for text in texts][-1]
    return commit, clone.pack(commit, base)


async def test_a_proposal_from_its_upload_to_its_deploy(
    tmp_path: Path, configs: GitConfigs
) -> None:
    base = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, base)
    commit, pack = await proposed(configs, Clone(tmp_path / "clone"), base, ["two", "three"])
    assert not await configs.holds("alice", commit)
    await configs.receive("alice", commit, pack)
    for pinned in (False, True):
        if pinned:
            tree = await configs.pin("alice", 2, commit)
            assert tree == await configs.tree("alice", commit)
        assert await configs.holds("alice", commit)
        assert await configs.contains("alice", commit, base)
        assert await configs.contains("alice", commit, commit)
        assert not await configs.contains("alice", base, commit)
        assert not await configs.contains("alice", commit, "1" * 40)
        newest, older = await configs.history("alice", commit, base, 10)
        assert (newest.id, newest.author, newest.message) == (commit, "x", "change ['agent']")
        assert len(await configs.history("alice", commit, None, 10)) == 3
        assert await configs.history("alice", commit, base, 1) == (newest,)
    assert await configs.history("alice", older.id, commit, 10) == ()
    await configs.mark("alice", "approved", 2, commit)
    await configs.settle("alice", 2, commit)
    refs = await configs.refs("alice")
    assert refs.main == commit
    assert set(refs.tags) == {"proposal/2", "approved/2", "deployed/2", "deployed/1"}


async def test_what_was_never_sent(configs: GitConfigs) -> None:
    base = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, base)
    missing = "1" * 40
    assert not await configs.holds("alice", missing)
    for call in (
        configs.pin("alice", 2, missing),
        configs.tree("alice", missing),
        configs.contains("alice", missing, base),
        configs.history("alice", missing, base, 5),
        configs.pack("alice", [missing], []),
        configs.pack("bob", [missing], []),
        configs.tree("bob", missing),
    ):
        with pytest.raises(NotFound):
            await call


async def test_what_commits_say_is_shown_within_limits(configs: GitConfigs) -> None:
    base = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, base)
    forge = Forge(base)
    tree = forge.tree(("100644", b"agent.nix", forge.blob(NIX)))
    long = forge.commit(tree, base, message=b"x" * 10_000, author=b"a" * 500 + b" <a> 1 +0000")
    commit = forge.commit(tree, long, message=b"\xff\x1b[31m")
    odd = b"\xfe <a> 253402300800 +0000"  # a second more than dates can be written for
    commit = forge.commit(tree, commit, author=odd)
    offer = forge.offer(commit)
    await configs.receive("alice", commit, offer.pack)
    first, second, third = await configs.history("alice", commit, base, 10)
    assert (first.author, first.at) == ("\ufffd", 253_402_300_799)
    assert second.message == "\ufffd\x1b[31m"
    assert third.message == "x" * 4096 + " [5904 more characters]"
    assert third.author == "a" * 100 + " [400 more characters]"


async def test_what_is_held_goes_with_the_agent(tmp_path: Path, configs: GitConfigs) -> None:
    base = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, base)
    commit, pack = await proposed(configs, Clone(tmp_path / "clone"), base, ["two"])
    await configs.receive("alice", commit, pack)
    await configs.remove("alice")
    assert os.listdir(tmp_path / "applied") == []
    assert not await configs.holds("alice", commit)


# --- beside what is there ---


async def test_a_declaration_keeps_what_is_not_a_file(
    git: Repositories, configs: GitConfigs
) -> None:
    """Such as a link, that somebody proposed and the operator approved."""
    base = await configs.declare("alice", FIRST, None)
    linked = (await git.list("alice", base))[0]
    link = replace(linked, path="here", kind="link", mode="120000")
    entries = {entry.path: entry for entry in await git.list("alice", base)}
    files: dict[str, Content] = {**entries, "here": link, "run.sh": File(b"#!", executable=True)}
    above = await git.commit(
        "alice", files, parent=base, message="a link", author="manager", when=0
    )
    commit = await configs.declare("alice", {"agent.nix": b"two", "run.sh": b"#!!"}, above)
    kinds = {entry.path: entry.kind for entry in await git.list("alice", commit)}
    assert kinds == {
        "agent.nix": "file",
        "declared.json": "file",
        "here": "link",
        "run.sh": "program",
    }
    assert await git.read("alice", commit, "run.sh", 10) == b"#!!"


async def test_a_declared_file_takes_the_place_of_what_is_in_its_way(
    git: Repositories, configs: GitConfigs
) -> None:
    base = await configs.declare("alice", {**FIRST, "a/b/c": b"1", "d": b"2"}, None)
    commit = await configs.declare("alice", {"a/b": b"3", "d/e": b"4"}, base)
    assert await read(git, commit) == {**FIRST, "a/b": b"3", "d/e": b"4"}
    assert await configs.declare("alice", {"a": None}, commit) == commit


async def test_refs_are_read_once_until_something_is_named(
    git: Repositories, configs: GitConfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = await configs.declare("alice", FIRST, None)
    await configs.settle("alice", 1, commit)
    before = await configs.refs("alice")
    with monkeypatch.context() as patched:
        patched.setattr(git_refs, "pointed", None)
        assert await configs.refs("alice") is before
    marking = configs.mark("alice", "failed", 2, commit, "why")
    await asyncio.gather(marking, *(configs.refs("alice") for _ in range(20)))
    assert set((await configs.refs("alice")).tags) == {"deployed/1", "failed/2"}
    await configs.remove("alice")
    assert await configs.refs("alice") == Refs(None, {})
