"""The agents' configurations: one bare repository each, whose branch `main` is what runs.

No work tree, no hooks, no configuration but ours. Every call is bounded in time; all of them may
raise Unavailable (git is missing, hangs, or finds its repository damaged) and InvalidField (a
name or an id that is none).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from hyperhive.flakes import git_files, git_leftovers, git_refs, git_tree
from hyperhive.flakes.git_log import Commit, log
from hyperhive.flakes.git_objects import Content, write_commit, write_tree
from hyperhive.flakes.git_program import git
from hyperhive.flakes.git_refs import MAIN
from hyperhive.flakes.git_tree import Entry
from hyperhive.protocol.errors import NotFound, TooLarge
from hyperhive.protocol.model import check_name


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
        files: Mapping[str, Content],
        *,
        parent: str | None,
        message: str,
        author: str,
        when: float,
    ) -> str:
        """Write a commit of exactly these files, path -> content, and return its full id.

        Where `parent` has the same files, that is returned. It moves no branch. `author` is a
        word such as `operator` or `hyperhive`; `when` is in seconds since 1970. Raises NotFound
        (repository or parent), TooLarge.
        """
        repository = self.existing(name)
        if len(files) > git_tree.MAX_ENTRIES:
            raise TooLarge(f"at most {git_tree.MAX_ENTRIES} files are accepted")
        for path in files:
            git_tree.check_path(path)
        tree = await write_tree(repository, files)
        if parent is not None and tree == await self.tree(name, parent):
            return parent
        return await self._write_commit(name, tree, parent, message, author, when)

    async def restore(
        self, name: str, commit: str, *, parent: str, message: str, author: str, when: float
    ) -> str:
        """Write a child of `parent` with the tree of `commit`; return its full id."""
        return await self._write_commit(
            name, await self.tree(name, commit), parent, message, author, when
        )

    async def log(
        self, name: str, limit: int, start: str | None = None, without: str | None = None
    ) -> tuple[Commit, ...]:
        """The newest commits from `start`, or the head of `main`, on; empty without any.

        Those that are in `without` are left out. Raises NotFound.
        """
        begin = start if start is not None else await self.head(name)
        return () if begin is None else await log(self.existing(name), limit, begin, without)

    # --- trees ---

    async def tree(self, name: str, commit: str) -> str:
        """The full id of the commit's tree. Raises NotFound."""
        return await git_refs.resolve(self.existing(name), commit, "tree")

    async def list(self, name: str, commit: str) -> tuple[Entry, ...]:
        """Every file of the commit. Raises NotFound, TooLarge."""
        return await git_files.files(self.existing(name), commit)

    async def read(self, name: str, commit: str, path: str, max_bytes: int) -> bytes:
        """The content of one file. Raises NotFound, TooLarge."""
        return await git_files.read(self.existing(name), commit, path, max_bytes)

    async def export(self, name: str, commit: str, directory: Path) -> None:
        """Write the commit's files into `directory`, which must be new or empty.

        What cannot be had as plain files is refused, as is a tree without `agent.nix`: raises
        InvalidField, TooLarge, NotFound. May leave some files behind then.
        """
        await git_files.export(self.existing(name), commit, directory)

    # --- refs ---

    async def head(self, name: str) -> str | None:
        """The commit that `main` names, or None while there is none. Raises NotFound."""
        return await git_refs.find(self.existing(name), MAIN)

    async def advance(self, name: str, old: str | None, new: str) -> None:
        """Move `main` from exactly `old` (None: it has none) to its descendant `new`, at once.

        Raises Conflict where it is somewhere else, or `new` is no descendant; NotFound.
        """
        await git_refs.advance(self.existing(name), old, new)

    async def tag(self, name: str, tag: str, commit: str, message: str | None = None) -> None:
        """Name a commit for good, e.g. `deployed/7`; with a message, an annotated tag.

        The same again is fine. Raises Conflict where the tag names another commit; NotFound.
        """
        await git_refs.tag(self.existing(name), tag, commit, message)

    async def tagged(self, name: str, tag: str) -> str | None:
        """The commit that a tag names, or None. Raises NotFound where there is no repository."""
        return await git_refs.find(self.existing(name), f"refs/tags/{tag}")

    async def refs(self, name: str) -> dict[str, str]:
        """What all refs name, by their full names, e.g. `refs/tags/deployed/7`. Raises NotFound."""
        return await git_refs.named(self.existing(name))

    # --- of its own ---

    def _path(self, name: str) -> Path:
        return self._directory / f"{check_name(name)}.git"

    def existing(self, name: str) -> Path:
        """Where it is. Raises NotFound."""
        path = self._path(name)
        if not path.is_dir():
            raise NotFound(f"{name} has no configuration")
        return path

    async def _write_commit(
        self, name: str, tree: str, parent: str | None, message: str, author: str, when: float
    ) -> str:
        repository = self.existing(name)
        above = None if parent is None else await git_refs.resolve(repository, parent)
        return await write_commit(repository, tree, above, message, author, when)


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
    for held in (".incoming", ".incoming.new"):
        shutil.rmtree(path.with_suffix(held), ignore_errors=True)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(path, old)
    shutil.rmtree(old, ignore_errors=True)
