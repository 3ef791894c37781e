"""The rules' view of git: configurations as commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hyperhive.flakes import diff
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_objects import File
from hyperhive.hive.change_rows import Changes
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Mark
from hyperhive.protocol.errors import Conflict

AUTHOR = "hyperhive"
MAX_FILE = 8 * 2**20


class GitConfigs:
    """`hive.ports.Configs` on bare repositories."""

    def __init__(self, repositories: Repositories, clock: Clock) -> None:
        self._repositories = repositories
        self._clock = clock

    async def head(self, agent: str) -> str | None:
        """Full id of `main`, which is what runs; None before the first deploy has come up."""
        if not await self._repositories.exists(agent):
            return None
        return await self._repositories.head(agent)

    async def declare(
        self, agent: str, changed: Mapping[str, bytes | None], base: str | None
    ) -> str:
        await self._repositories.create(agent)
        before = {} if base is None else await self._files(agent, base)
        files = dict(before)
        for path, data in changed.items():
            if data is None:
                files.pop(path, None)
            else:
                files[path] = replace(files.get(path, File(data)), data=data)
        if base is not None and files == before:
            return base
        return await self._repositories.commit(
            agent,
            files,
            parent=base,
            message="as declared in the host's configuration",
            author=AUTHOR,
            when=self._clock.now(),
        )

    async def _files(self, agent: str, commit: str) -> dict[str, File]:
        found = {}
        for entry in await self._repositories.list(agent, commit):
            if entry.kind not in ("file", "program"):
                raise Conflict(f"{entry.path} is a {entry.kind}, which a declaration cannot keep")
            data = await self._repositories.read(agent, commit, entry.path, MAX_FILE)
            found[entry.path] = File(data, executable=entry.kind == "program")
        return found

    async def restore(self, agent: str, commit: str, base: str, message: str) -> str:
        before = await self._repositories.tree(agent, base)
        if await self._repositories.tree(agent, commit) == before:
            raise Conflict(f"{agent} has that configuration already")
        return await self._repositories.restore(
            agent, commit, parent=base, message=message, author=AUTHOR, when=self._clock.now()
        )

    async def settle(self, agent: str, deploy: int, commit: str) -> None:
        await self._repositories.tag(agent, f"deployed/{deploy}", commit)
        head = await self.head(agent)
        if head != commit:
            await self._repositories.advance(agent, head, commit)

    async def mark(
        self, agent: str, word: Mark, number: int, commit: str, why: str | None = None
    ) -> None:
        await self._repositories.tag(agent, f"{word}/{number}", commit, why)

    async def remove(self, agent: str) -> None:
        await self._repositories.remove(agent)

    async def changes(self, agent: str, base: str | None, commit: str, *, whole: bool) -> Changes:
        repository = self._repositories.existing(agent)
        return await diff.changes(repository, base, commit, diff.WHOLE if whole else diff.AT_ONCE)
