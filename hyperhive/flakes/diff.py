"""What one commit changes in place of another, found without a say of what is in either.

Attributes, filters, drivers, replaced objects and configuration have no part in it: git lists the
trees and prints the blobs, the rest is compared here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperhive.flakes import git_files, git_tree
from hyperhive.flakes.diff_lines import Effort, Span, compare
from hyperhive.flakes.diff_text import Content, Pair, content, drawn
from hyperhive.flakes.git_program import git
from hyperhive.flakes.git_tree import Entry
from hyperhive.hive.change_rows import ChangeKind, Changes, FileChange, Line
from hyperhive.protocol.errors import InvalidField

_RENAME_LIMIT = 200
"""Files on either side that git compares with each other; identical ones are found without it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is shown at once; lines of all files together, and characters of one line."""

    files: int
    lines: int
    characters: int


AT_ONCE = Limits(files=100, lines=3_000, characters=2_000)
WHOLE = Limits(files=2 * git_tree.MAX_ENTRIES, lines=200_000, characters=git_tree.MAX_BYTES)
"""More lines would take a service's memory; they are counted as hidden even so."""


async def changes(repository: Path, base: str | None, commit: str, limits: Limits) -> Changes:
    """What `commit` has in place of `base`, or of nothing.

    Raises NotFound, InvalidField and TooLarge for what is no tree of plain files; Unavailable.
    """
    old = {} if base is None else _by_path(await git_files.files(repository, base))
    new = _by_path(await git_files.files(repository, commit))
    origins = {} if base is None else await _renames(repository, base, commit)
    pairs = list(_pairs(old, new, origins))
    sides = [entry for pair in pairs for entry in pair if entry is not None]
    blobs = await _blobs(repository, sides)
    return await asyncio.to_thread(_shown, pairs, blobs, limits)


_Pair = tuple[Entry | None, Entry | None]


def _by_path(entries: Sequence[Entry]) -> dict[str, Entry]:
    found = {entry.path: entry for entry in entries}
    if len(found) != len(entries):
        raise InvalidField("tree", "a file is listed twice")
    return found


async def _renames(repository: Path, base: str, commit: str) -> dict[str, str]:
    """Where files come from. Only what is shown beside what depends on it."""
    shape = ["-r", "-z", "--raw", "-M", "--no-rename-empty", f"-l{_RENAME_LIMIT}"]
    answer = await git(repository, "diff-tree", "--no-commit-id", *shape, base, commit, "--")
    found, fields = {}, iter(answer.decode(errors="replace").split("\0")[:-1])
    for status in fields:
        path = next(fields)
        if status.split(" ")[-1].startswith("R"):
            found[next(fields)] = path
    return found


def _pairs(
    old: Mapping[str, Entry], new: Mapping[str, Entry], origins: Mapping[str, str]
) -> Iterator[_Pair]:
    """What differs: each file of either side that is not the same in both, once.

    The module that is evaluated comes first, the others by path.
    """
    moved = {
        path: origin
        for path, origin in origins.items()
        if path in new and path not in old and origin in old and origin not in new
    }
    paths = (old.keys() | new.keys()) - set(moved.values())
    for path in sorted(paths, key=lambda path: (path != "agent.nix", path)):
        pair = old.get(moved.get(path, path)), new.get(path)
        if pair[0] != pair[1]:
            yield pair


async def _blobs(repository: Path, entries: Sequence[Entry]) -> dict[str, bytes]:
    """By object."""
    wanted = list({entry.object: entry for entry in entries if entry.kind != "submodule"}.values())
    asked = "".join(f"{entry.object}\n" for entry in wanted).encode()
    limit = 2 * git_tree.MAX_BYTES + 100 * len(wanted)
    answer = await git(repository, "cat-file", "--batch", given=asked, output_max=limit)
    found = git_tree.split_blobs(answer, wanted)
    return dict(zip([entry.object for entry in wanted], found, strict=True))


# --- what is shown of it ---


@dataclass(frozen=True, slots=True)
class _Difference:
    old: Entry | None
    new: Entry | None
    spans: Sequence[Span]

    @property
    def count(self) -> int:
        """Lines in it, gaps not counted."""
        return sum(span.count for span in self.spans if span.kind != "gap")


def _shown(pairs: Sequence[_Pair], blobs: Mapping[str, bytes], limits: Limits) -> Changes:
    effort, found = Effort(), []
    for old, new in pairs[: limits.files]:
        both = _texts(old, new, blobs)
        found.append(_Difference(old, new, compare(both.old.lines, both.new.lines, effort)))
    room = _room([difference.count for difference in found], limits.lines)
    files = [
        _file(difference, _texts(difference.old, difference.new, blobs), most, limits.characters)
        for difference, most in zip(found, room, strict=True)
    ]
    return Changes(tuple(files), hidden_files=len(pairs) - len(files))


def _texts(old: Entry | None, new: Entry | None, blobs: Mapping[str, bytes]) -> Pair:
    return Pair(_content(old, blobs), _content(new, blobs))


def _content(entry: Entry | None, blobs: Mapping[str, bytes]) -> Content:
    if entry is None:
        return content(None, b"")
    if entry.kind == "submodule":
        return content(entry.kind, entry.object.encode())
    return content(entry.kind, blobs[entry.object])


def _room(counts: Sequence[int], most: int) -> list[int]:
    """How many lines each file may have: the short ones first, so that filler hides itself."""
    room = [0] * len(counts)
    for index in sorted(range(len(counts)), key=lambda index: counts[index]):
        room[index] = min(counts[index], most)
        most -= room[index]
    return room


def _file(difference: _Difference, both: Pair, most: int, characters: int) -> FileChange:
    old, new = difference.old, difference.new
    lines = list(_lines(difference.spans, both, most))
    cut = [_cut(line, characters) for line in lines]
    shortened = sum(before is not after for before, after in zip(lines, cut, strict=True))
    left_out = difference.count - sum(line.kind != "gap" for line in lines)
    some = new or old
    assert some is not None
    return FileChange(
        path=some.path,
        kind=_kind(old, new),
        old_path=old.path if old and new and old.path != new.path else "",
        old_mode=old.mode if old else "",
        new_mode=new.mode if new else "",
        old_size=old.size if old else 0,
        new_size=new.size if new else 0,
        lines=tuple(cut),
        note=both.note(),
        hidden=left_out + shortened + both.hidden,
    )


def _kind(old: Entry | None, new: Entry | None) -> ChangeKind:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "changed" if old.path == new.path else "renamed"


def _lines(spans: Sequence[Span], both: Pair, most: int) -> Iterator[Line]:
    old, new, escaped = both.old.lines, both.new.lines, both.escaped
    for span in spans:
        if span.kind == "gap":
            yield Line("gap", f"{span.count} unchanged lines", span.old + 1, span.new + 1)
            continue
        for n in range(min(span.count, most)):
            i, j = span.old + n, span.new + n
            text = drawn(new[j] if span.kind == "added" else old[i], escaped=escaped)
            at_old = None if span.kind == "added" else i + 1
            at_new = None if span.kind == "removed" else j + 1
            yield Line(span.kind, text, at_old, at_new)
        if span.count > most:
            return
        most -= span.count


def _cut(line: Line, characters: int) -> Line:
    if len(line.text) <= characters:
        return line
    more = len(line.text) - characters
    text = f"{line.text[:characters]}… ({more} more characters)"
    return Line(line.kind, text, line.old, line.new)
