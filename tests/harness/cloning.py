"""Clones of a harness before a real gateway and real repositories."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hyperhive.gateway.limits import ConfigLimits
from hyperhive.harness.clones import Clones
from hyperhive.harness.post import PostCaller
from hyperhive.harness.proposals import ProposingCaller
from tests.gateway.configured import Configured, configured, git

PATIENCE = 10.0


@dataclass(frozen=True)
class Cloning:
    """`agents` is where the manager's clones are; bob runs a commit."""

    host: Configured
    agents: Path
    clones: Clones
    caller: ProposingCaller

    @property
    def bob(self) -> Path:
        return self.agents / "bob"

    async def git(self, *words: str) -> str:
        return await git(self.bob, *words)

    async def commit(self, text: str, *words: str) -> str:
        """As a model makes one; its id."""
        (self.bob / "agent.nix").write_text(text)
        await self.git("commit", "-q", "-a", "-m", "a change", *words)
        return await self.git("rev-parse", "HEAD")


@asynccontextmanager
async def cloning(
    root: Path, sockets: Path, *, by: str = "manager", limits: ConfigLimits | None = None
) -> AsyncIterator[Cloning]:
    """In step with a host on which bob runs a first commit."""
    async with configured(root, sockets, limits) as host:
        await host.runs("bob", "one")
        socket, agents = host.world.socket(by), root / "workspace" / "agents"
        clones = Clones(socket, agents, by)
        async with PostCaller(socket) as post:
            await clones.keep_in_step()
            yield Cloning(host, agents, clones, ProposingCaller(post, clones, PATIENCE))


def snapshot(directory: Path, *but: str) -> dict[str, object]:
    """What is below it, links not followed, without these names and what is below them."""
    found: dict[str, object] = {}
    for parent, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if name not in but]
        for name in (*directories, *files):
            path = Path(parent) / name
            if name in but:
                continue
            key = str(path.relative_to(directory))
            if path.is_symlink():
                found[key] = os.readlink(path)
            else:
                found[key] = None if path.is_dir() else (path.read_bytes(), path.lstat().st_mtime)
    return found
