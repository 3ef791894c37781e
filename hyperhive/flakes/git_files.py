"""The files of commits: listed, checked, read, and written out as plain files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from hyperhive.flakes import git_tree
from hyperhive.flakes.git_program import git
from hyperhive.flakes.git_refs import resolve
from hyperhive.flakes.git_tree import Entry
from hyperhive.protocol.errors import InvalidField, NotFound, TooLarge, Unavailable


async def files(repository: Path, commit: str) -> tuple[Entry, ...]:
    """Raises NotFound, TooLarge, InvalidField."""
    tree = await resolve(repository, commit, "tree")
    # Directories too: without files they would be walked without a word, and without an end.
    shape = ["-r", "-t", "-z", "--long", "--full-tree"]
    try:
        listing = await git(repository, "ls-tree", *shape, tree)
    except TooLarge:
        raise git_tree.too_many() from None
    return git_tree.parse_listing(listing)


async def check(repository: Path, commit: str) -> None:
    """Refuse what `export` would. Raises InvalidField, TooLarge, NotFound."""
    entries = await files(repository, commit)
    git_tree.check_exportable(entries)
    await _check_blobs(repository, entries)
    links = [entry for entry in entries if entry.kind == "link"]
    if long := [entry for entry in links if entry.size > git_tree.MAX_PATH]:
        raise InvalidField(git_tree.shown(long[0].path), "is a link with no usable target")
    targets = git_tree.split_blobs(await _blobs(repository, links), links)
    for entry, target in zip(links, targets, strict=True):
        git_tree.check_link(entry.path, target)


async def read(repository: Path, commit: str, path: str, max_bytes: int) -> bytes:
    for entry in await files(repository, commit):
        if entry.path == path and entry.kind in ("file", "program"):
            if entry.size > max_bytes:
                raise TooLarge(f"{path} has {entry.size} bytes, more than {max_bytes}")
            return await git(repository, "cat-file", "blob", entry.object)
    name = repository.stem
    raise NotFound(f"{name} has no file {git_tree.shown(path)} in {commit[:12]}")


async def export(repository: Path, commit: str, directory: Path) -> None:
    entries = await files(repository, commit)
    git_tree.check_exportable(entries)
    answer = await _blobs(repository, entries)
    try:
        await asyncio.to_thread(git_tree.write, directory, entries, answer)
    except OSError as error:
        raise Unavailable(f"{directory} cannot be written: {error}") from None


async def _check_blobs(repository: Path, entries: Sequence[Entry]) -> None:
    """That what is listed as a file is one: nothing but the mode in the tree has said so."""
    form = "--batch-check=%(objecttype)"
    answer = await git(repository, "cat-file", form, given=_ids(entries))
    for entry, kind in zip(entries, answer.decode().splitlines(), strict=True):
        if kind != "blob":
            raise InvalidField(git_tree.shown(entry.path), "is listed as a file, but is none")


async def _blobs(repository: Path, entries: Sequence[Entry]) -> bytes:
    limit = git_tree.MAX_BYTES + 100 * len(entries)
    return await git(repository, "cat-file", "--batch", given=_ids(entries), output_max=limit)


def _ids(entries: Sequence[Entry]) -> bytes:
    return "".join(f"{entry.object}\n" for entry in entries).encode()
