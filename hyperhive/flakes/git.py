"""The agents' configurations: one bare repository each, whose branch `main` is what runs.

No work tree, no hooks, no configuration but ours. Every call is bounded in time; all of them may
raise Unavailable (git is missing, hangs, or finds its repository damaged) and InvalidField (a
name or an id that is none).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperhive.flakes import git_leftovers, git_tree
from hyperhive.flakes.git_objects import File, write_commit, write_tag, write_tree
from hyperhive.flakes.git_program import GitFailed, git
from hyperhive.flakes.git_tree import Entry
from hyperhive.protocol.errors import Conflict, InvalidField, NotFound, TooLarge, Unavailable
from hyperhive.protocol.model import check_name

MAIN = "refs/heads/main"
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TAG = re.compile(r"[a-z][a-z-]{0,30}/[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Commit:
    """`at` is in seconds since 1970."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    at: int
    message: str


class Repositories:
    """The repositories `NAME.git` below one directory of the service's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    # --- repositories ---

    async def adopt(self) -> None:
        """At service start, before all else: remove what a git that was killed left behind.

        Its locks would be in the way for ever, since nobody holds them any more.
        """
        await asyncio.to_thread(git_leftovers.remove, self._directory)

    async def create(self, name: str) -> None:
        """An empty repository; fine when there is one already."""
        path = self._path(name)
        if not await self.exists(name):
            new = path.with_suffix(".new")
            await asyncio.to_thread(_make_way, self._directory, new)
            await git(None, "init", "--quiet", "--bare", "--template=", "-b", "main", str(new))
            await asyncio.to_thread(_rename, new, path)

    async def exists(self, name: str) -> bool:
        return self._path(name).is_dir()

    async def remove(self, name: str) -> None:
        """With all history. Fine when there is none."""
        path = self._path(name)
        old = path.with_suffix(".old")
        await asyncio.to_thread(_remove, path, old)

    # --- commits ---

    async def commit(
        self,
        name: str,
        files: Mapping[str, bytes | File],
        *,
        parent: str | None,
        message: str,
        author: str,
        when: float,
    ) -> str:
        """Write a commit of exactly these files, path -> content, and return its full id.

        It moves no branch. `author` is a word such as `operator` or `hyperhive`; `when` is in
        seconds since 1970. Raises NotFound (repository or parent), TooLarge.
        """
        repository = self.existing(name)
        if len(files) > git_tree.MAX_ENTRIES:
            raise TooLarge(f"at most {git_tree.MAX_ENTRIES} files are accepted")
        for path in files:
            git_tree.check_path(path)
        tree = await write_tree(repository, files)
        return await self._write_commit(name, tree, parent, message, author, when)

    async def restore(
        self, name: str, commit: str, *, parent: str, message: str, author: str, when: float
    ) -> str:
        """Write a child of `parent` with the tree of `commit`; return its full id."""
        return await self._write_commit(
            name, await self.tree(name, commit), parent, message, author, when
        )

    async def log(self, name: str, limit: int, start: str | None = None) -> tuple[Commit, ...]:
        """The newest commits from `start`, or the head of `main`, on; empty without any."""
        repository = self.existing(name)
        begin = start if start is not None else await self.head(name)
        if begin is None:
            return ()
        form = "--format=tformat:%H%x00%T%x00%P%x00%an%x00%at%x00%B"
        shape = [form, "-z", f"--max-count={limit:d}", "--no-patch"]
        try:
            answer = await git(repository, "log", *shape, "--end-of-options", _checked(begin), "--")
        except GitFailed as error:
            raise _no_commit(name, begin) from error
        fields = answer.decode(errors="replace").split("\0")
        return tuple(_commit(fields[at : at + 6]) for at in range(0, len(fields) - 5, 6))

    # --- trees ---

    async def tree(self, name: str, commit: str) -> str:
        """The full id of the commit's tree. Raises NotFound."""
        return await self._resolve(name, commit, "tree")

    async def list(self, name: str, commit: str) -> tuple[Entry, ...]:
        """Every file of the commit. Raises NotFound, TooLarge."""
        tree = await self.tree(name, commit)
        shape = ["-r", "-z", "--long", "--full-tree"]
        return git_tree.parse_listing(await git(self.existing(name), "ls-tree", *shape, tree))

    async def read(self, name: str, commit: str, path: str, max_bytes: int) -> bytes:
        """The content of one file. Raises NotFound, TooLarge."""
        for entry in await self.list(name, commit):
            if entry.path == path and entry.kind in ("file", "program"):
                if entry.size > max_bytes:
                    raise TooLarge(f"{path} has {entry.size} bytes, more than {max_bytes}")
                return await git(self.existing(name), "cat-file", "blob", entry.object)
        raise NotFound(f"{name} has no file {git_tree.shown(path)} in {commit[:12]}")

    async def export(self, name: str, commit: str, directory: Path) -> None:
        """Write the commit's files into `directory`, which must be new or empty.

        What cannot be had as plain files is refused, as is a tree without `agent.nix`: raises
        InvalidField, TooLarge, NotFound. May leave some files behind then.
        """
        entries = await self.list(name, commit)
        git_tree.check_exportable(entries)
        asked = "".join(f"{entry.object}\n" for entry in entries).encode()
        limit = git_tree.MAX_BYTES + 100 * len(entries)
        answer = await git(
            self.existing(name), "cat-file", "--batch", given=asked, output_max=limit
        )
        try:
            await asyncio.to_thread(git_tree.write, directory, entries, answer)
        except OSError as error:
            raise Unavailable(f"{directory} cannot be written: {error}") from None

    # --- refs ---

    async def head(self, name: str) -> str | None:
        """The commit that `main` names, or None while there is none. Raises NotFound."""
        return await self._find(name, MAIN)

    async def advance(self, name: str, old: str | None, new: str) -> None:
        """Move `main` from exactly `old` (None: it has none) to its descendant `new`, at once.

        Raises Conflict where it is somewhere else, or `new` is no descendant; NotFound.
        """
        repository = self.existing(name)
        target = await self._resolve(name, new, "commit")
        if old is not None and not await self._is_ancestor(name, old, target):
            raise Conflict(f"{new[:12]} does not contain {old[:12]}, which {name} is at")
        expected = "0" * len(target) if old is None else _checked(old)
        try:
            await git(repository, "update-ref", MAIN, target, expected)
        except GitFailed as error:
            if await self.head(name) != old:
                raise Conflict(f"{name} has moved on meanwhile; look again") from error
            raise

    async def tag(self, name: str, tag: str, commit: str, message: str | None = None) -> None:
        """Name a commit for good, e.g. `deployed/7`; with a message, an annotated tag.

        The same again is fine. Raises Conflict where the tag names another commit; NotFound.
        """
        if not _TAG.fullmatch(tag):
            raise InvalidField("tag", "must be a word, a slash and a number")
        target = await self._resolve(name, commit, "commit")
        named = await self.tagged(name, tag)
        if named is not None:
            if named != target:
                raise Conflict(f"{tag} names another commit of {name}")
            return
        new = target
        if message is not None:
            # Of the commit's own time, so that the same tag again is the same object.
            (tagged,) = await self.log(name, 1, target)
            new = await write_tag(self.existing(name), tag, target, message, tagged.at)
        await git(self.existing(name), "update-ref", f"refs/tags/{tag}", new, "0" * len(target))

    async def tagged(self, name: str, tag: str) -> str | None:
        """The commit that a tag names, or None. Raises NotFound where there is no repository."""
        return await self._find(name, f"refs/tags/{tag}")

    # --- of its own ---

    def _path(self, name: str) -> Path:
        return self._directory / f"{check_name(name)}.git"

    def existing(self, name: str) -> Path:
        """Where it is. Raises NotFound."""
        path = self._path(name)
        if not path.is_dir():
            raise NotFound(f"{name} has no configuration")
        return path

    async def _find(self, name: str, ref: str) -> str | None:
        self.existing(name)
        try:
            return await self._verify(name, f"{ref}^{{commit}}")
        except NotFound:
            return None

    async def _resolve(self, name: str, commit: str, kind: str) -> str:
        """The full id of the commit, or of its tree."""
        try:
            return await self._verify(name, f"{_checked(commit)}^{{commit}}^{{{kind}}}")
        except NotFound:
            raise _no_commit(name, commit) from None

    async def _verify(self, name: str, revision: str) -> str:
        repository = self.existing(name)
        try:
            wanted = ["--verify", "--quiet", "--end-of-options", revision]
            answer = await git(repository, "rev-parse", *wanted)
        except GitFailed as error:
            if error.exit_status == 1:
                raise NotFound(f"{name} has no {revision}") from None
            raise
        return answer.decode().split()[-1]

    async def _write_commit(
        self, name: str, tree: str, parent: str | None, message: str, author: str, when: float
    ) -> str:
        above = None if parent is None else await self._resolve(name, parent, "commit")
        return await write_commit(self.existing(name), tree, above, message, author, when)

    async def _is_ancestor(self, name: str, old: str, new: str) -> bool:
        try:
            await git(self.existing(name), "merge-base", "--is-ancestor", _checked(old), new)
        except GitFailed as error:
            if error.exit_status == 1:
                return False
            raise
        return True


def _checked(commit: str) -> str:
    if not _ID.fullmatch(commit):
        raise InvalidField("commit", "must be a full id of 40 or 64 of 0-9 and a-f")
    return commit


def _no_commit(name: str, commit: str) -> NotFound:
    return NotFound(f"{name} has no commit {commit[:12]}")


def _commit(fields: list[str]) -> Commit:
    found, tree, parents, author, at, message = fields
    return Commit(found, tree, tuple(parents.split()), author, int(at), message.strip())


def _make_way(directory: Path, new: Path) -> None:
    """What a crash left half made is made anew."""
    directory.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(new, ignore_errors=True)


def _rename(new: Path, path: Path) -> None:
    os.rename(new, path)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _remove(path: Path, old: Path) -> None:
    """Renamed first: it is there whole, or not at all."""
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(path, old)
    shutil.rmtree(old, ignore_errors=True)
