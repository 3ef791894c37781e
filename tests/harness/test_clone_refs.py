"""Refs written as files: git reads them, what is there already is not written, links end it."""

import os
from pathlib import Path

from hyperhive.harness.clone_refs import write_refs
from tests.gateway.configured import git

A, B = "a" * 40, "b" * 40


def ids(repository: Path, name: str) -> str:
    return (repository / name).read_text()


def test_new_ones_and_others_are_written(tmp_path: Path) -> None:
    refs = {"refs/remotes/applied/main": A, "refs/tags/deployed/7": B}
    assert write_refs(tmp_path, refs) == []
    assert ids(tmp_path, "refs/tags/deployed/7") == f"{B}\n"
    inode = (tmp_path / "refs/tags/deployed/7").stat().st_ino
    assert write_refs(tmp_path, {**refs, "refs/remotes/applied/main": B}) == []
    assert ids(tmp_path, "refs/remotes/applied/main") == f"{B}\n"
    assert (tmp_path / "refs/tags/deployed/7").stat().st_ino == inode
    assert not list(tmp_path.rglob("*.lock"))


async def test_git_reads_them(tmp_path: Path) -> None:
    await git(tmp_path, "init", "-q")
    await git(
        *(tmp_path, "-c", "user.name=x", "-c", "user.email=x@x"),
        *("commit", "-q", "--allow-empty", "-m", "x"),
    )
    commit = await git(tmp_path, "rev-parse", "HEAD")
    await git(tmp_path, "tag", "denied/1")
    await git(tmp_path, "pack-refs", "--all")
    assert write_refs(tmp_path / ".git", {"refs/tags/denied/1": commit}) == []
    assert (
        await git(tmp_path, "for-each-ref", "refs/tags") == f"{commit} commit\trefs/tags/denied/1"
    )


def test_what_is_in_the_way_is_told_and_the_rest_written(tmp_path: Path) -> None:
    tags = tmp_path / "refs/tags"
    for word in ("deployed/1", "failed", "away"):
        (tags / word).mkdir(parents=True)
    (tags / "failed/2.lock").write_text("theirs")
    (tags / "denied").write_text("")
    (tags / "approved").symlink_to("away")
    (tags / "failed/3").symlink_to("../away/3")
    os.mkfifo(tags / "failed/4")
    names = ("deployed/1", "failed/2", "denied/2", "approved/2", "failed/3", "failed/4", "x/1")
    told = write_refs(tmp_path, {f"refs/tags/{name}": A for name in names})
    assert told == [
        "refs/tags/deployed/1 cannot be written: Is a directory",
        "refs/tags/failed/2.lock is there: a git at work, or one that was killed",
        "refs/tags/denied/2 cannot be written: Not a directory",
        "refs/tags/approved/2 cannot be written: Not a directory",
    ]
    assert not list((tags / "away").iterdir())
    for name in ("failed/3", "failed/4", "x/1"):
        assert (tags / name).is_file()
        assert not (tags / name).is_symlink()
    assert (tags / "failed/2.lock").read_text() == "theirs"
    assert [path.name for path in tmp_path.rglob("*.lock")] == ["2.lock"]


def test_a_repository_that_is_none_is_told(tmp_path: Path) -> None:
    told = write_refs(tmp_path / "none", {"refs/tags/x/1": A})
    assert told == ["refs/tags/x/1 cannot be written: No such file or directory"]
