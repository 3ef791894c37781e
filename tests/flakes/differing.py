"""Two trees of any entries, and what is shown of the way from one to the other."""

from __future__ import annotations

from collections.abc import Mapping

from hyperhive.flakes import diff
from hyperhive.flakes.diff import WHOLE, Limits
from hyperhive.hive.change_rows import Changes, FileChange
from tests.flakes.conftest import Work

Files = Mapping[str, bytes | tuple[str, bytes]]
"""By name; content, or mode and content."""


def tree(work: Work, files: Files) -> str:
    lines = b""
    for path, given in sorted(files.items()):
        mode, data = ("100644", given) if isinstance(given, bytes) else given
        one = data.decode() if mode == "160000" else ""
        one = one or work.git("alice", "hash-object", "-w", "--stdin", given=data)
        kind = "commit" if mode == "160000" else "blob"
        lines += f"{mode} {kind} {one}\t{path}\0".encode()
    return work.git("alice", "mktree", "-z", "--missing", given=lines)


def commit(work: Work, files: Files) -> str:
    return work.git("alice", "commit-tree", "-m", "x", tree(work, files))


async def changes(work: Work, old: Files | None, new: Files, limits: Limits = WHOLE) -> Changes:
    base = None if old is None else commit(work, old)
    repository = work.repositories.existing("alice")
    return await diff.changes(repository, base, commit(work, new), limits)


async def one(work: Work, old: Files | None, new: Files, limits: Limits = WHOLE) -> FileChange:
    (file,) = (await changes(work, old, new, limits)).files
    return file


def shown(file: FileChange) -> list[str]:
    signs = {"same": " ", "added": "+", "removed": "-", "gap": "="}
    return [signs[line.kind] + line.text for line in file.lines]


async def edited(work: Work, old: bytes, new: bytes, limits: Limits = WHOLE) -> FileChange:
    return await one(work, {"agent.nix": old}, {"agent.nix": new}, limits)
