"""One clone of an agent's configuration, in which the model works with git as it likes.

Nothing here touches its HEAD, index, branches or work tree once it is there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hyperhive.harness.clone_git import Git, GitFailed, git, git_for
from hyperhive.harness.clone_refs import write_refs
from hyperhive.protocol.configs import MAX_PACK, KnownRefs
from hyperhive.protocol.errors import Conflict, HiveError, InvalidField, TooLarge

APPLIED = "refs/remotes/applied/main"
LOOK_SECONDS = 10.0
"""For a look at the work tree, which may have any size."""
_MARK = "hyperhive"
"""A file in `.git` that tells our clones from other repositories."""
_HALF = ".hyperhive-"
"""Begins the name of a clone that is being made."""
_OLD_SECONDS = 600.0
_MADE_ANEW = "move it away, and the clone is made anew"

Fetch = Callable[[Sequence[str], Sequence[str]], Awaitable[bytes]]
"""The pack of what is wanted beyond what is there."""


class Clone:
    """The clone in `directory`; `ids` of a repository are all of one length."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._repository = directory / ".git"
        self._objects = self._repository / "objects"

    def is_there(self) -> bool:
        """Whether anything is. Raises Conflict for what is none of our clones, or damaged."""
        if not os.path.lexists(self.directory) or _is_empty(self.directory):
            return False
        git_files = (self._repository, self._objects, self._repository / "refs")
        for path in (self.directory, *git_files):
            if not _is_directory(path):
                raise Conflict(
                    f"{path} is no plain directory: {self.directory} is no clone; {_MADE_ANEW}"
                )
        if not _is_file(self._repository / _MARK):
            raise Conflict(f"{self.directory} is a repository of somebody else's; {_MADE_ANEW}")
        return True

    # --- in step with the host ---

    async def create(self, refs: KnownRefs, owner: str, fetch: Fetch) -> list[str]:
        """With a work tree of what runs, on a branch `main`, and `owner` as the author.

        It is there whole or not at all. Returns as `update`.
        """
        parent = self.directory.parent
        parent.mkdir(parents=True, exist_ok=True)
        if not _is_directory(parent):
            raise Conflict(f"{parent} is no plain directory; {_MADE_ANEW}")
        await asyncio.to_thread(_remove_leftovers, parent)
        place = Path(tempfile.mkdtemp(prefix=_HALF, dir=parent))
        try:
            problems = await Clone(place)._fill(refs, owner, fetch)
            os.rename(place, self.directory)  # takes the place of an empty directory only
            return problems
        except OSError as error:
            raise Conflict(f"{self.directory} cannot be made: {error.strerror}") from None
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _fill(self, refs: KnownRefs, owner: str, fetch: Fetch) -> list[str]:
        first = refs.ids()[0]
        kind = "sha1" if len(first) == 40 else "sha256"
        shape = ("--template=", "--initial-branch=main", f"--object-format={kind}")
        await git("init", "--quiet", *shape, str(self.directory))
        with (self._repository / "config").open("a") as file:
            file.write(_CONFIG.format(owner=owner))
        problems = await self.update(refs, fetch)
        with git_for(self._objects, len(first)) as run:
            commit = (await run("rev-parse", "--verify", f"{first}^{{commit}}")).decode().strip()
            await run("read-tree", "--reset", "-u", commit, also=self._work_tree())
        problems += write_refs(self._repository, {"refs/heads/main": commit})
        (self._repository / _MARK).touch()
        return problems

    async def update(self, refs: KnownRefs, fetch: Fetch) -> list[str]:
        """Have all that `refs` names, and its names. Returns which of these could not be written.

        Raises Conflict where git finds the clone damaged.
        """
        ids = refs.ids()
        try:
            with git_for(self._objects, len(ids[0])) as run:
                present = await run.known(ids)
                if missing := [each for each in ids if each not in present]:
                    pack = await fetch(missing, present)
                    await run("index-pack", "--stdin", "--fix-thin", given=pack)
        except GitFailed as error:
            raise Conflict(f"{self.directory} is damaged: {error.message}; {_MADE_ANEW}") from None
        named = {f"refs/tags/{tag}": target for tag, target in refs.tags.items()}
        if refs.main is not None:
            named[APPLIED] = refs.main
        return write_refs(self._repository, named)

    # --- proposals ---

    async def resolve(self, ref: str, digits: int) -> str:
        """The full id of the commit that begins with these hexadecimal digits.

        Only ids count here, no name of a branch. Raises InvalidField.
        """
        with git_for(self._objects, digits) as run:
            found = (await run("rev-parse", f"--disambiguate={ref}")).decode().split()
            commits = await run.known(found, "commit")
        if not commits:
            problem = f"is no commit in {self.directory}: commit there first; git log shows the ids"
            raise InvalidField("commit_ref", problem)
        if len(commits) > 1:
            shown = ", ".join(commit[:16] for commit in commits[:5])
            raise InvalidField("commit_ref", f"is ambiguous; more digits, please: {shown}")
        return commits[0]

    async def pack(self, commit: str, known: Sequence[str]) -> bytes:
        """What the commit needs beyond these ids. Raises TooLarge, InvalidField."""
        with git_for(self._objects, len(commit)) as run:
            have = await run.known(known)
            asked = "".join([f"{commit}\n", *(f"^{each}\n" for each in have)]).encode()
            shape = ("--revs", "--stdout", "--delta-base-offset", "--quiet")
            try:
                return await run("pack-objects", *shape, given=asked, limit=MAX_PACK)
            except TooLarge:
                raise TooLarge(_TOO_LARGE.format(commit=commit[:12])) from None
            except GitFailed as error:
                raise InvalidField("commit_ref", f"cannot be packed: {error.message}") from None

    async def differing(self, commit: str) -> int:
        """How many files of the work tree are not as in the commit; 0 where that is unknown."""
        with git_for(self._objects, len(commit)) as run, suppress(HiveError):
            return await self._differing(run, commit)
        return 0

    async def _differing(self, run: Git, commit: str) -> int:
        run.set_head(commit)
        # A submodule would be looked at with its own configuration.
        shape = ("-z", "--untracked-files=normal", "--no-renames", "--ignore-submodules=all")
        answer = await run(
            "status", "--porcelain", *shape, also=self._work_tree(), seconds=LOOK_SECONDS
        )
        return answer.count(b"\0")

    def _work_tree(self) -> dict[str, str]:
        index = self._repository / "index"
        return {"GIT_WORK_TREE": str(self.directory), "GIT_INDEX_FILE": str(index)}


def is_empty(pack: bytes) -> bool:
    """The number of objects is at byte 8, gitformat-pack(5)."""
    return pack[8:12] == bytes(4)


def _remove_leftovers(parent: Path) -> None:
    """Of makers that were killed."""
    for path in parent.glob(f"{_HALF}*"):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > _OLD_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _is_directory(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False


def _is_empty(directory: Path) -> bool:
    return _is_directory(directory) and next(directory.iterdir(), None) is None


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


_CONFIG = """\
[user]
\tname = {owner}
\temail = {owner}@hyperhive
[remote "applied"]
\tfetch = +refs/heads/main:refs/remotes/applied/main
[branch "main"]
\tremote = applied
\tmerge = refs/heads/main
"""
_TOO_LARGE = (
    f"commit {{commit}} needs more than {MAX_PACK // 2**20} MiB beyond what the host has: leave"
    " large files out of the configuration, also out of the commits before it"
    " (git reset --soft applied/main, then commit anew)"
)
