"""Repositories of configurations: commits, what `main` names, and tags, with the real git."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hyperhive.flakes.git import Repositories
from hyperhive.protocol.errors import Conflict, InvalidField, NotFound, TooLarge, Unavailable
from tests.flakes.conftest import WHEN, Work

FILES = {"agent.nix": b"{ }", "declared.json": b"{}"}


async def test_a_repository_is_there_or_not(work: Work) -> None:
    repositories = work.repositories
    assert not await repositories.exists("alice")
    await repositories.create("alice")
    await repositories.create("alice")
    assert await repositories.exists("alice")
    assert await repositories.head("alice") is None
    assert await repositories.log("alice", 10) == ()
    await repositories.remove("alice")
    await repositories.remove("alice")
    assert not await repositories.exists("alice")
    assert os.listdir(work.directory) == []


async def test_what_a_crash_left_half_made_is_made_anew(work: Work) -> None:
    (work.directory / "alice.new/objects").mkdir(parents=True)
    (work.directory / "alice.old").mkdir()
    await work.commit(FILES)
    await work.repositories.remove("alice")
    assert os.listdir(work.directory) == []


async def test_a_commit_is_exactly_the_files(work: Work) -> None:
    commit = await work.commit(FILES)
    assert {e.path: e.size for e in await work.repositories.list("alice", commit)} == {
        "agent.nix": 3,
        "declared.json": 2,
    }
    assert await work.repositories.read("alice", commit, "agent.nix", 3) == b"{ }"
    work.git("alice", "fsck", "--strict")
    assert work.git("alice", "for-each-ref") == ""


async def test_who_when_and_what(work: Work) -> None:
    first = await work.commit(FILES)
    second = await work.repositories.commit(
        "alice", {}, parent=first, message=" two\nlines\n", author="hyperhive", when=WHEN + 1.4
    )
    newest, oldest = await work.repositories.log("alice", 10, second)
    assert (newest.id, newest.parents, newest.author) == (second, (first,), "hyperhive")
    assert (newest.message, newest.at) == ("two\nlines", WHEN + 1)
    assert (oldest.id, oldest.parents, oldest.author) == (first, (), "operator")
    assert newest.tree == await work.repositories.tree("alice", second) != oldest.tree
    assert [c.id for c in await work.repositories.log("alice", 1, second)] == [second]


async def test_the_same_twice_is_the_same_commit(work: Work) -> None:
    assert await work.commit(FILES) == await work.commit(FILES)


async def test_an_old_tree_is_restored_as_a_child(work: Work) -> None:
    first = await work.commit(FILES)
    second = await work.commit({"agent.nix": b"{ broken"}, first)
    third = await work.repositories.restore(
        "alice", first, parent=second, message="back", author="operator", when=WHEN
    )
    (commit,) = await work.repositories.log("alice", 1, third)
    assert commit.parents == (second,)
    assert commit.tree == await work.repositories.tree("alice", first)


# --- main ---


async def test_main_moves_to_descendants_and_from_what_is_known(work: Work) -> None:
    repositories = work.repositories
    first = await work.commit(FILES)
    second = await work.commit({"agent.nix": b"2"}, first)
    beside = await work.commit({"agent.nix": b"3"}, first)
    await repositories.advance("alice", None, first)
    for old in (None, second):
        with pytest.raises(Conflict):
            await repositories.advance("alice", old, second)
    await repositories.advance("alice", first, second)
    with pytest.raises(Conflict, match="does not contain"):
        await repositories.advance("alice", second, beside)
    with pytest.raises(Conflict, match="does not contain"):
        await repositories.advance("alice", second, first)
    assert await repositories.head("alice") == second
    assert [c.id for c in await repositories.log("alice", 10)] == [second, first]


async def test_one_of_many_wins(work: Work) -> None:
    first = await work.commit(FILES)
    await work.repositories.advance("alice", None, first)
    rivals = [await work.commit({"agent.nix": b"%d" % n}, first) for n in range(5)]
    results = await asyncio.gather(
        *(work.repositories.advance("alice", first, rival) for rival in rivals),
        return_exceptions=True,
    )
    winners = [rival for rival, result in zip(rivals, results, strict=True) if result is None]
    assert winners == [await work.repositories.head("alice")]


# --- tags ---


async def test_a_tag_names_one_commit_for_good(work: Work) -> None:
    first = await work.commit(FILES)
    other = await work.commit({"agent.nix": b"2"}, first)
    for message in (None, "why\n\nnot"):
        tag = "deployed/1" if message is None else "failed/1"
        assert await work.repositories.tagged("alice", tag) is None
        await work.repositories.tag("alice", tag, first, message)
        await work.repositories.tag("alice", tag, first, message)
        with pytest.raises(Conflict, match="names another commit"):
            await work.repositories.tag("alice", tag, other, message)
        assert await work.repositories.tagged("alice", tag) == first
    assert work.git("alice", "cat-file", "-t", "deployed/1") == "commit"
    assert (
        work.git("alice", "for-each-ref", "--format=%(contents)", "refs/tags/failed")
        == "why\n\nnot"
    )
    work.git("alice", "fsck", "--strict")


@pytest.mark.parametrize(
    "tag", ["", "main", "-d/1", "a/../1", "deployed/", "a/1;id", "a/1\n", "a/" + "1" * 30]
)
async def test_only_a_word_and_a_number_is_a_tag(work: Work, tag: str) -> None:
    await work.repositories.create("alice")
    with pytest.raises(InvalidField, match="tag"):
        await work.repositories.tag("alice", tag, "1" * 40)


# --- what is not there, and what is no name ---


async def test_commits_that_are_not_there(work: Work) -> None:
    first = await work.commit(FILES)
    missing = "1" * 40
    repositories = work.repositories
    for call in (
        repositories.tree("alice", missing),
        repositories.list("alice", missing),
        repositories.read("alice", missing, "agent.nix", 10),
        repositories.tag("alice", "deployed/1", missing),
        repositories.advance("alice", None, missing),
        repositories.log("alice", 1, missing),
        work.commit({}, missing),
        repositories.list("alice", await repositories.tree("alice", first)),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound, match="bob has no configuration"):
        await repositories.head("bob")
    with pytest.raises(NotFound, match="no file other"):
        await repositories.read("alice", first, "other", 10)
    with pytest.raises(TooLarge):
        await repositories.read("alice", first, "agent.nix", 2)


@pytest.mark.parametrize(
    "commit", ["main", "HEAD", "--all", "1" * 39, "1" * 41, "A" * 40, "1" * 40 + "\n"]
)
async def test_only_full_ids_name_commits(work: Work, commit: str) -> None:
    await work.commit(FILES)
    for call in (
        work.repositories.tree("alice", commit),
        work.repositories.log("alice", 1, commit),
        work.repositories.advance("alice", commit, "1" * 40),
    ):
        with pytest.raises((InvalidField, NotFound)):
            await call


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "A", "host"])
async def test_only_agents_names_name_repositories(work: Work, name: str) -> None:
    for call in (work.repositories.create(name), work.repositories.remove(name)):
        with pytest.raises(InvalidField):
            await call


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/x",
        "../x",
        "a/../x",
        "a//b",
        ".git/config",
        "a/.GIT/x",
        "a\nb",
        "\u202ex",
        "x" * 1_001,
        "a/" * 40 + "b",
    ],
)
async def test_paths_that_lead_elsewhere_are_not_committed(work: Work, path: str) -> None:
    with pytest.raises(InvalidField):
        await work.commit({path: b""})


async def test_a_file_is_no_directory(work: Work) -> None:
    for files in ({"a": b"", "a/b": b""}, {"a/b": b"", "a": b""}):
        with pytest.raises(InvalidField, match="a"):
            await work.commit(files)


async def test_too_many_files(work: Work) -> None:
    with pytest.raises(TooLarge):
        await work.commit({f"{n}": b"" for n in range(2_001)})


@pytest.mark.parametrize("author", ["", "Ann <a@b>", "a\nb"])
async def test_authors_are_words(work: Work, author: str) -> None:
    await work.repositories.create("alice")
    with pytest.raises(InvalidField, match="author"):
        await work.repositories.commit(
            "alice", FILES, parent=None, message="", author=author, when=WHEN
        )


async def test_nothing_of_the_machine_or_the_repository_acts(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, hooks, attributes and replacements, each of which would leave a mark."""
    first = await work.commit(FILES)
    other = await work.commit({"agent.nix": b"other"})
    mark = tmp_path / "mark"
    act = f"touch {mark}"
    hooks = work.directory / "alice.git/hooks"
    hooks.mkdir()
    for hook in ("reference-transaction", "post-update", "update", "pre-commit", "post-commit"):
        (hooks / hook).write_text(f"#!/bin/sh\n{act}\n")
        (hooks / hook).chmod(0o755)
    config = tmp_path / "home/.gitconfig"
    config.parent.mkdir()
    config.write_text(
        f"[core]\n\tfsmonitor = {act}\n\tpager = {act}\n[log]\n\tshowSignature = true\n"
    )
    monkeypatch.setenv("HOME", str(config.parent))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    work.git("alice", "config", "core.fsmonitor", act)
    work.git("alice", "config", "gpg.program", act)
    work.git("alice", "replace", first, other)
    mark.unlink(missing_ok=True)  # that was git without our settings

    second = await work.commit({"agent.nix": b"2"}, first)
    await work.repositories.advance("alice", None, first)
    await work.repositories.advance("alice", first, second)
    await work.repositories.tag("alice", "deployed/1", second, "text")
    await work.repositories.log("alice", 10)
    await work.repositories.export("alice", first, tmp_path / "out")
    assert (tmp_path / "out/agent.nix").read_bytes() == FILES["agent.nix"]
    assert not mark.exists()


async def test_a_damaged_repository_is_said_to_be(work: Work) -> None:
    first = await work.commit(FILES)
    await work.repositories.advance("alice", None, first)
    (work.directory / "alice.git/objects" / first[:2] / first[2:]).unlink()
    with pytest.raises((Unavailable, NotFound)):
        await work.repositories.tree("alice", first)
    (work.directory / "alice.git/HEAD").write_text("nonsense")
    with pytest.raises(Unavailable, match="git rev-parse: not a git repository"):
        await work.repositories.head("alice")


async def test_no_git(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="git cannot be started"):
        await Repositories(work.directory).create("alice")
