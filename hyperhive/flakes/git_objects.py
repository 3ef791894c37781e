"""Writes trees, commits and tags into a repository, without a work tree and without an index."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperhive.flakes.git_program import git
from hyperhive.flakes.git_tree import Entry, shown
from hyperhive.protocol.errors import InvalidField

MAX_MESSAGE = 64 * 1024
_AUTHOR = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True, slots=True)
class File:
    """One file to commit."""

    data: bytes
    executable: bool = False


Content = bytes | File | Entry
"""Of one file; an entry is one that the repository has already, whatever it is."""
_Nested = dict[str, "File | Entry | _Nested"]


async def write_tree(repository: Path, files: Mapping[str, Content]) -> str:
    """Of files whose paths have been checked. Raises InvalidField where they collide."""
    return await _write_nested(repository, _nested(files))


async def write_commit(
    repository: Path, tree: str, parent: str | None, message: str, author: str, when: float
) -> str:
    above = [] if parent is None else ["-p", parent]
    return await _written(
        repository,
        _text(message).encode(),
        *("commit-tree", *above, "-F", "-", tree),
        also=_identity(author, when),
    )


async def write_tag(repository: Path, tag: str, commit: str, message: str, at: int) -> str:
    by = f"tagger hyperhive <hyperhive@localhost> {at} +0000"
    content = f"object {commit}\ntype commit\ntag {tag}\n{by}\n\n{_text(message)}\n"
    return await _written(repository, content.encode(), "mktag")


async def _write_nested(repository: Path, nested: _Nested) -> str:
    lines = []
    for part, value in nested.items():
        if isinstance(value, dict):
            mode, kind, found = "040000", "tree", await _write_nested(repository, value)
        elif isinstance(value, Entry):
            mode, kind, found = value.mode, "blob", value.object
        else:
            mode, kind = "100755" if value.executable else "100644", "blob"
            found = await _written(repository, value.data, "hash-object", "-w", "--stdin")
        lines.append(f"{mode} {kind} {found}\t{part}\0")
    return await _written(repository, "".join(lines).encode(), "mktree", "-z")


def _nested(files: Mapping[str, Content]) -> _Nested:
    top: _Nested = {}
    for path, value in files.items():
        *parents, last = path.split("/")
        place = top
        for part in parents:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                raise InvalidField(shown(path), "is below a file")
            place = below
        if last in place:
            raise InvalidField(shown(path), "is a directory as well")
        place[last] = File(value) if isinstance(value, bytes) else value
    return top


async def _written(
    repository: Path, data: bytes, *command: str, also: Mapping[str, str] | None = None
) -> str:
    return (await git(repository, *command, given=data, also=also)).decode().strip()


def _identity(author: str, when: float) -> dict[str, str]:
    if not _AUTHOR.fullmatch(author):
        raise InvalidField("author", "must be a word of a-z, 0-9 and '-'")
    both = {"NAME": author, "EMAIL": f"{author}@localhost", "DATE": f"@{when:.0f} +0000"}
    return {f"GIT_{who}_{key}": v for who in ("AUTHOR", "COMMITTER") for key, v in both.items()}


def _text(message: str) -> str:
    if "\0" in message or len(message) > MAX_MESSAGE:
        raise InvalidField("message", f"must have no NUL and at most {MAX_MESSAGE} characters")
    return message.strip() or "(no message)"
