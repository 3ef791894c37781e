"""Repositories for the tests of git."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_packs import pack
from tests.flakes.clones import Clone, Proposer

WHEN = 1_800_000_000.0


@dataclass
class Work:
    """The repositories, and git itself on them for what ours cannot, or would not, do."""

    directory: Path
    repositories: Repositories = field(init=False)

    def __post_init__(self) -> None:
        self.repositories = Repositories(self.directory)

    def git(self, name: str, *arguments: str, given: bytes = b"") -> str:
        names = {
            f"GIT_{who}_{what}": "x"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        done = subprocess.run(
            ["git", f"--git-dir={self.directory / name}.git", *arguments],
            env={**os.environ, **names},
            input=given,
            capture_output=True,
            timeout=60,
            check=True,
        )
        return done.stdout.decode().strip()

    async def commit(self, files: dict[str, bytes], parent: str | None = None) -> str:
        """In `alice`, which is made."""
        await self.repositories.create("alice")
        return await self.repositories.commit(
            "alice", files, parent=parent, message="a change", author="operator", when=WHEN
        )

    def commit_entry(self, mode: str, path: str, content: bytes = b"") -> str:
        """A commit of `agent.nix` and one entry as no honest program would write it."""
        nix = self.git("alice", "hash-object", "-w", "--stdin", given=b"{ }")
        one = self.git("alice", "hash-object", "-w", "--stdin", given=content)
        if mode == "160000":
            one = "1" * 40
        *parents, name = path.encode().split(b"/")
        lines = f"{mode} {'commit' if mode == '160000' else 'blob'} {one}\t".encode() + name + b"\0"
        for parent in reversed(parents):
            tree = self.git("alice", "mktree", "-z", "--missing", given=lines)
            lines = f"040000 tree {tree}\t".encode() + parent + b"\0"
        agent = f"100644 blob {nix}\tagent.nix\0".encode()
        top = self.git("alice", "mktree", "-z", "--missing", given=agent + lines)
        return self.git("alice", "commit-tree", "-m", "hostile", top)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "applied")


@pytest.fixture
async def proposer(work: Work, tmp_path: Path) -> Proposer:
    base = await work.commit({"agent.nix": b"{ }", "old.nix": b"old" * 1000})
    await work.repositories.advance("alice", None, base)
    clone = Clone(tmp_path / "clone")
    clone.take(await pack(work.directory / "alice.git", [base], []), base)
    return Proposer(work.repositories, work.directory, clone, base)
