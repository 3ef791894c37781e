"""Trees are exported as plain files, or refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hyperhive.flakes import git_tree
from hyperhive.flakes.git_objects import File
from hyperhive.protocol.errors import InvalidField, TooLarge, Unavailable
from tests.flakes.conftest import WHEN, Work


@pytest.fixture
async def made(work: Work) -> Work:
    await work.repositories.create("alice")
    return work


async def exported(work: Work, commit: str, to: Path) -> Path:
    await work.repositories.export("alice", commit, to / "out")
    return to / "out"


async def test_files_are_as_they_were(made: Work, tmp_path: Path) -> None:
    files: dict[str, bytes | File] = {
        "agent.nix": b"{ }",
        "lib/one/two.nix": b"\0\r\n$Id$\xff",
        "run": File(b"#!/bin/sh\n", executable=True),
        "empty": b"",
        ".gitattributes": b"* text eol=crlf ident export-ignore filter=x\n",
        "naïve name": b"",
    }
    commit = await made.repositories.commit(
        "alice", files, parent=None, message="x", author="operator", when=WHEN
    )
    previous = os.umask(0o077)
    try:
        out = await exported(made, commit, tmp_path)
    finally:
        os.umask(previous)
    found = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert found == {k: v.data if isinstance(v, File) else v for k, v in files.items()}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (out, out / "lib", out / "lib/one")}
    assert modes == {0o755}
    assert stat.S_IMODE((out / "agent.nix").stat().st_mode) == 0o644
    assert stat.S_IMODE((out / "run").stat().st_mode) == 0o755


async def test_without_agent_nix_it_is_no_configuration(made: Work, tmp_path: Path) -> None:
    for path in ("other.nix", "below/agent.nix"):
        commit = await made.commit({path: b""})
        with pytest.raises(InvalidField, match=r"agent\.nix: is missing"):
            await exported(made, commit, tmp_path)


@pytest.mark.parametrize(
    ("path", "target"),
    [("link", "agent.nix"), ("a/b/link", "../../agent.nix"), ("a/link", "nowhere/yet")],
)
async def test_links_within_the_tree_are_links(
    made: Work, tmp_path: Path, path: str, target: str
) -> None:
    out = await exported(made, made.commit_entry("120000", path, target.encode()), tmp_path)
    assert os.readlink(out / path) == target


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", b"/etc/passwd"),
        ("link", b"../x"),
        ("a/link", b"../../x"),
        ("a/link", b"b/../../../x"),
        ("a/link", b"b/.."),
        ("link", b""),
        ("link", b"."),
        ("link", b"a//b"),
        ("link", b"a\0b"),
        ("link", b"x" * 5_000),
    ],
)
async def test_links_out_of_the_tree_are_refused(
    made: Work, tmp_path: Path, path: str, target: bytes
) -> None:
    with pytest.raises(InvalidField, match="is a link"):
        await exported(made, made.commit_entry("120000", path, target), tmp_path)


@pytest.mark.parametrize(
    ("mode", "path", "problem"),
    [
        ("160000", "sub", "is a submodule"),
        ("100644", "..", "is no name for a file"),
        ("100644", "a/../b", "is no name for a file"),
        ("100644", ".git/config", "is no name for a file"),
        ("100644", ".GIT", "is no name for a file"),
        ("100644", ".git ./x", "is no name for a file"),
        ("100644", "GIT~1", "is no name for a file"),
        ("100644", ".git::$INDEX_ALLOCATION/x", "is no name for a file"),
        ("100644", "a\nb", "cannot be shown"),
        ("100644", "a\u202eb", "cannot be shown"),
        ("100644", "/".join("abcdefgh" * 5), "deeper than 32"),
        ("100644", "/".join(["x" * 200] * 6), "longer than 1000"),
    ],
)
async def test_hostile_names_are_refused(
    made: Work, tmp_path: Path, mode: str, path: str, problem: str
) -> None:
    with pytest.raises(InvalidField, match=problem):
        await exported(made, made.commit_entry(mode, path), tmp_path)
    assert not (tmp_path / "out").exists()


async def test_a_name_that_is_not_utf_8(made: Work) -> None:
    blob = made.git("alice", "hash-object", "-w", "--stdin", given=b"")
    tree = made.git("alice", "mktree", "-z", given=f"100644 blob {blob}\t".encode() + b"\xff\0")
    commit = made.git("alice", "commit-tree", "-m", "x", tree)
    with pytest.raises(InvalidField, match="is not UTF-8"):
        await made.repositories.list("alice", commit)


async def test_a_small_repository_of_very_many_files(made: Work) -> None:
    """Twelve levels of ten times the same directory: a million of millions of files."""
    blob = made.git("alice", "hash-object", "-w", "--stdin", given=b"")
    kind, mode, below = "blob", "100644", blob
    for _ in range(12):
        lines = "".join(f"{mode} {kind} {below}\t{n}\0" for n in range(10))
        below = made.git("alice", "mktree", "-z", given=lines.encode())
        kind, mode = "tree", "040000"
    commit = made.git("alice", "commit-tree", "-m", "x", below)
    with pytest.raises(TooLarge):
        await made.repositories.list("alice", commit)


async def test_a_small_repository_of_very_many_directories_without_a_file(made: Work) -> None:
    below = made.git("alice", "mktree", "-z")
    for _ in range(12):
        lines = "".join(f"040000 tree {below}\t{n}\0" for n in range(10))
        below = made.git("alice", "mktree", "-z", given=lines.encode())
    commit = made.git("alice", "commit-tree", "-m", "x", below)
    with pytest.raises(TooLarge, match="or as many directories"):
        await made.repositories.list("alice", commit)


async def test_large_files_are_refused_before_they_are_read(made: Work, tmp_path: Path) -> None:
    commit = made.commit_entry("100644", "large", b"\0" * (git_tree.MAX_BYTES + 1))
    with pytest.raises(TooLarge, match="bytes, more than"):
        await exported(made, commit, tmp_path)


async def test_it_writes_into_nothing_that_is_there(made: Work, tmp_path: Path) -> None:
    commit = await made.commit({"agent.nix": b"new"})
    (tmp_path / "out").mkdir()
    (tmp_path / "old").write_text("old")
    (tmp_path / "out/agent.nix").symlink_to(tmp_path / "old")
    with pytest.raises(Unavailable, match="File exists"):
        await exported(made, commit, tmp_path)
    assert (tmp_path / "old").read_text() == "old"
