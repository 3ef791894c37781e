"""Holds what others send until it is wanted: a repository beside the real one, with its objects.

Its `main` is the commit that was sent; nothing of it is in the real repository before `pin`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperhive.flakes import git_files, git_refs
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_complete import check_complete
from hyperhive.flakes.git_program import GitFailed, git
from hyperhive.flakes.git_tree import shown
from hyperhive.flakes.pack_files import drop, on_disk, replace, size, take_over
from hyperhive.flakes.pack_scan import MAX_PACK, check_pack
from hyperhive.flakes.process import TookTooLong
from hyperhive.protocol.errors import InvalidField, NotFound, TooLarge

MAX_REPOSITORY = 512 * 2**20
"""Of one agent, with what is held for it, in bytes."""
SECONDS = 25.0
"""For all checks of one pack."""
_AT_ONCE = 2
"""Packs that are checked at the same time, of different agents."""


class Quarantine:
    """Of one agent at most one pack is held, checked, across restarts of the service."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._turns: dict[str, asyncio.Lock] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def receive(self, name: str, commit: str, pack: bytes) -> None:
        """Check a pack that completes `commit`, and hold it in place of the one before.

        Where nothing is missing of the commit the pack is not looked at. Of a refused one nothing
        is left: raises InvalidField, TooLarge; StorageFull, Unavailable.
        """
        git_refs.check_id(commit)
        async with self._turn(name), self._room:
            await self._repositories.create(name)
            repository = self._repositories.existing(name)
            if await git_refs.reachable(repository, commit):
                await git_files.check(repository, commit)
                return
            await asyncio.to_thread(check_pack, pack, len(commit) // 2)
            place = repository.with_suffix(".incoming.new")
            try:
                with _blaming_the_pack(), on_disk(repository):
                    async with asyncio.timeout(SECONDS):
                        await _unpack(repository, place, commit, pack)
                    # Not in a thread, which would go on when this is cancelled.
                    replace(_held(repository), place)
            finally:
                shutil.rmtree(place, ignore_errors=True)

    async def where(self, name: str, commit: str) -> Path:
        """The repository to read the commit from, if it is anywhere. Raises NotFound."""
        repository = self._repositories.existing(name)
        return _held(repository) if await _holds(repository) == commit else repository

    async def has(self, name: str, commit: str) -> bool:
        """Whether `pin` finds it."""
        git_refs.check_id(commit)
        if not await self._repositories.exists(name):
            return False
        repository = self._repositories.existing(name)
        if await git_refs.reachable(repository, commit):
            return True
        return await _holds(repository) == commit

    async def pin(self, name: str, tag: str, commit: str) -> str:
        """Take what was held for the commit over, and name it for good; the id of its tree.

        Interrupted anywhere, it may be repeated. Raises NotFound for what is neither held nor
        complete already, Conflict for a tag that names another commit.
        """
        git_refs.check_id(commit)
        async with self._turn(name):
            repository = self._repositories.existing(name)
            holds = await _holds(repository)
            with on_disk(repository):
                if not await git_refs.reachable(repository, commit):
                    if holds != commit:
                        missing = f"commit {commit[:12]} is not held for {name}"
                        raise NotFound(f"{missing}: send it again")
                    await asyncio.to_thread(take_over, _held(repository), repository)
                await git_files.check(repository, commit)
                await git_refs.tag(repository, tag, commit)
            if holds == commit:
                drop(_held(repository))
            return await git_refs.resolve(repository, commit, "tree")

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())


def _held(repository: Path) -> Path:
    return repository.with_suffix(".incoming")


async def _holds(repository: Path) -> str | None:
    """The commit that is held, if any: what a power cut left damaged is none."""
    if not _held(repository).is_dir():
        return None
    try:
        return await git_refs.find(_held(repository), git_refs.MAIN)
    except GitFailed:
        return None


async def _unpack(repository: Path, place: Path, commit: str, pack: bytes) -> None:
    tips = set((await git_refs.named(repository)).values())
    shutil.rmtree(place, ignore_errors=True)
    await git(None, "init", "--quiet", "--bare", "--template=", "-b", "main", str(place))
    (place / "objects/info/alternates").write_text(f"../../{repository.name}/objects\n")
    shape = ["--strict", "--stdin", "--fix-thin", f"--max-input-size={MAX_PACK}"]
    await git(place, "index-pack", *shape, given=pack)
    if await asyncio.to_thread(size, repository, place) > MAX_REPOSITORY:
        problem = f"{repository.stem} has no room for it in {MAX_REPOSITORY} bytes of history"
        raise TooLarge(f"{problem}: only purging the agent makes room")
    await check_complete(place, commit, tips)
    await git_files.check(place, commit)
    await git(place, "update-ref", git_refs.MAIN, commit)


@contextmanager
def _blaming_the_pack() -> Iterator[None]:
    """What git does not get done with one pack is that pack's fault."""
    try:
        yield
    except (TimeoutError, TookTooLong):
        raise TooLarge("the pack takes too long to be checked") from None
    except GitFailed as error:
        raise InvalidField("pack", f"is refused: {shown(error.message, 300)}") from None
