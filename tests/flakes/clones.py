"""A proposer and its clone: an ordinary repository, with a work tree, of an ordinary git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.quarantine import Quarantine

WHO = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Clone:
    """Empty at first, and with nothing of the machine's configuration."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **WHO},
            input=given,
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout

    def take(self, pack: bytes, commit: str) -> None:
        """What a harness does with a pack of the host."""
        self.git("index-pack", "--stdin", "--fix-thin", "--strict", given=pack)
        self.git("reset", "-q", "--hard", commit)

    def commit(self, **files: str) -> str:
        """Of these, `agent` standing for `agent.nix`; its full id."""
        for name, text in files.items():
            (self.directory / f"{name}.nix").write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", f"change {sorted(files)}")
        return self.git("rev-parse", "HEAD").decode().strip()

    def pack(self, want: str, *have: str) -> bytes:
        asked = "".join(f"{id}\n" for id in (want, *(f"^{id}" for id in have)))
        shape = ("--revs", "--stdout", "--thin", "--delta-base-offset", "-q")
        return self.git("pack-objects", *shape, given=asked.encode())


class Proposer:
    """Alice's repository, and a clone of it from which proposals come."""

    def __init__(
        self, repositories: Repositories, directory: Path, clone: Clone, base: str
    ) -> None:
        self.repositories = repositories
        self.directory = directory
        self.clone = clone
        self.base = base
        self.quarantine = Quarantine(repositories)
        self.repository = directory / "alice.git"

    async def send(self, commit: str, have: str | None = None) -> None:
        pack = self.clone.pack(commit, have or self.base)
        await self.quarantine.receive("alice", commit, pack)

    async def pin(self, number: int, commit: str) -> str:
        return await self.quarantine.pin("alice", f"proposal/{number}", commit)

    @property
    def held(self) -> list[str]:
        return sorted(set(os.listdir(self.directory)) - {"alice.git"})
