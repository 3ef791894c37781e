"""The rules' view of git: configurations as commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hyperhive.flakes import diff, git_log, git_packs, git_refs
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_objects import Content, File
from hyperhive.flakes.git_program import GitFailed
from hyperhive.flakes.quarantine import Quarantine
from hyperhive.hive.change_rows import Changes, CommitInfo, Refs
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import DECLARED, Mark
from hyperhive.protocol.errors import Conflict, NotFound

T = TypeVar("T")

AUTHOR = "hyperhive"
MAX_TAGS = 500
"""That clones are told of."""
MAX_AUTHOR, MAX_MESSAGE = 100, 4096
"""Characters that are shown of each."""
_TAGS = "refs/tags/"
_WORDS = ("proposal", "approved", "building", "deployed", "failed", "denied")
_LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last that dates can be written in."""


class GitConfigs:
    """`hive.config_ports.Configs` on bare repositories."""

    def __init__(self, repositories: Repositories, clock: Clock) -> None:
        self._repositories = repositories
        self._quarantine = Quarantine(repositories)
        self._clock = clock
        self._known: dict[str, Refs] = {}
        """What `refs` told last, by agent, unless something was named since."""
        self._namings: Counter[str] = Counter()

    async def head(self, agent: str) -> str | None:
        """Full id of `main`, which is what runs; None before the first deploy has come up."""
        if not await self._repositories.exists(agent):
            return None
        return await self._repositories.head(agent)

    async def declare(
        self,
        agent: str,
        changed: Mapping[str, bytes | None],
        base: str | None,
        message: str = DECLARED,
    ) -> str:
        await self._repositories.create(agent)
        entries = () if base is None else await self._repositories.list(agent, base)
        before = {entry.path: entry for entry in entries}
        files: dict[str, Content] = {**before}
        for path, data in changed.items():
            if data is None:
                files.pop(path, None)
            else:
                _make_way(files, path)
                is_program = path in before and before[path].kind == "program"
                files[path] = File(data, executable=is_program)
        return await self._repositories.commit(
            agent,
            files,
            parent=base,
            message=message,
            author=AUTHOR,
            when=self._clock.now(),
        )

    async def restore(self, agent: str, commit: str, base: str, message: str) -> str:
        trees = [await self._repositories.tree(agent, each) for each in (commit, base)]
        if trees[0] == trees[1]:
            raise Conflict(f"{agent} has that configuration already")
        return await self._repositories.restore(
            agent, commit, parent=base, message=message, author=AUTHOR, when=self._clock.now()
        )

    async def settle(self, agent: str, deploy: int, commit: str) -> None:
        with self._naming(agent):
            await self._repositories.tag(agent, f"deployed/{deploy}", commit)
            head = await self.head(agent)
            if head != commit:
                await self._repositories.advance(agent, head, commit)

    async def mark(
        self, agent: str, word: Mark, number: int, commit: str, why: str | None = None
    ) -> None:
        with self._naming(agent):
            await self._repositories.tag(agent, f"{word}/{number}", commit, why)

    async def remove(self, agent: str) -> None:
        with self._naming(agent):
            await self._repositories.remove(agent)

    @contextmanager
    def _naming(self, agent: str) -> Iterator[None]:
        """What is read meanwhile is not what is so afterwards."""
        try:
            yield
        finally:
            self._namings[agent] += 1
            self._known.pop(agent, None)

    # --- as it is proposed ---

    async def refs(self, agent: str) -> Refs:
        if agent not in self._known:
            before = self._namings[agent]
            found = await self._refs(agent)
            if self._namings[agent] != before:
                return found
            self._known[agent] = found
        return self._known[agent]

    async def _refs(self, agent: str) -> Refs:
        if not await self._repositories.exists(agent):
            return Refs(None, {})
        refs = await git_refs.pointed(self._repositories.existing(agent))
        tags = {ref.removeprefix(_TAGS): id for ref, id in refs.items() if _is_told(ref)}
        newest = sorted(tags, key=lambda tag: int(tag.partition("/")[2]), reverse=True)[:MAX_TAGS]
        return Refs(refs.get(git_refs.MAIN), {tag: tags[tag] for tag in newest})

    async def pack(self, agent: str, want: Sequence[str], have: Sequence[str]) -> bytes:
        return await git_packs.pack(self._repositories.existing(agent), want, have)

    async def receive(self, agent: str, commit: str, pack: bytes) -> None:
        await self._quarantine.receive(agent, commit, pack)

    async def holds(self, agent: str, commit: str) -> bool:
        return await self._quarantine.has(agent, commit)

    async def pin(self, agent: str, number: int, commit: str) -> str:
        with self._naming(agent):
            return await self._quarantine.pin(agent, f"proposal/{number}", commit)

    async def tree(self, agent: str, commit: str) -> str:
        return await self._reading(agent, commit, lambda r: git_refs.resolve(r, commit, "tree"))

    async def contains(self, agent: str, commit: str, earlier: str) -> bool:
        """An `earlier` one that is not there at all is in none. Raises NotFound for `commit`."""

        async def look(repository: Path) -> bool:
            await git_refs.resolve(repository, commit)
            try:
                await git_refs.resolve(repository, earlier)
            except NotFound:
                await git_refs.resolve(repository, commit)  # else it is the repository that is gone
                return False
            return await git_refs.contains(repository, commit, earlier)

        return await self._reading(agent, commit, look)

    async def history(
        self, agent: str, commit: str, base: str | None, limit: int
    ) -> tuple[CommitInfo, ...]:
        commits = await self._reading(
            agent, commit, lambda repository: git_log.log(repository, limit, commit, base)
        )
        return tuple(_info(commit) for commit in commits)

    async def changes(self, agent: str, base: str | None, commit: str, *, whole: bool) -> Changes:
        limits = diff.WHOLE if whole else diff.AT_ONCE
        return await self._reading(
            agent, commit, lambda repository: diff.changes(repository, base, commit, limits)
        )

    async def _reading(self, agent: str, commit: str, read: Callable[[Path], Awaitable[T]]) -> T:
        """From where the commit is, which changes when it is taken over, or sent once more."""
        place = await self._quarantine.where(agent, commit)
        try:
            return await read(place)
        except (GitFailed, NotFound):
            now = await self._quarantine.where(agent, commit)
            if now == place:
                raise
            return await read(now)


def _make_way(files: dict[str, Content], path: str) -> None:
    """For a file there: what has its place, is below it, or stands where its directories go."""
    parents = {path[:at] for at, char in enumerate(path) if char == "/"}
    for other in list(files):
        if other == path or other in parents or other.startswith(f"{path}/"):
            del files[other]


def _is_told(ref: str) -> bool:
    word, _, number = ref.removeprefix(_TAGS).partition("/")
    return ref.startswith(_TAGS) and word in _WORDS and number.isdecimal()


def _info(commit: git_log.Commit) -> CommitInfo:
    at = min(commit.at, _LAST_SECOND)
    author = _clipped(commit.author, MAX_AUTHOR)
    return CommitInfo(commit.id, author, at, _clipped(commit.message, MAX_MESSAGE))


def _clipped(text: str, limit: int) -> str:
    """With a word about what is left out."""
    left = len(text) - limit
    return text if left <= 0 else f"{text[:limit]} [{left} more characters]"
