"""Which lines two texts have in common, found in bounded time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hyperhive.hive.change_rows import LineKind

CONTEXT = 3
"""Lines shown around what differs."""
STEPS_OF_A_FILE = 1_000_000
STEPS = 4_000_000
"""For all files: some seconds. Beyond, one text is shown as replaced by the other."""


@dataclass(slots=True)
class Effort:
    """How many more steps may be spent on finding what is common."""

    left: int = STEPS


@dataclass(frozen=True, slots=True)
class Span:
    """Lines of one kind; `old` and `new` count from 0 and are where it begins on either side."""

    kind: LineKind
    old: int
    new: int
    count: int


def compare(old: Sequence[bytes], new: Sequence[bytes], effort: Effort) -> list[Span]:
    """From the first line to the last; empty where they are equal.

    Each line of `old` is in exactly one span that is not `added`, each of `new` in one that is not
    `removed`.
    """
    if old == new:
        return []
    spans: list[Span] = []
    i = j = 0
    for at_old, at_new, count in (*_common(old, new, effort), (len(old), len(new), 0)):
        if at_old > i:
            spans.append(Span("removed", i, j, at_old - i))
        if at_new > j:
            spans.append(Span("added", at_old, j, at_new - j))
        if count:
            at_end = (at_old + count, at_new + count) == (len(old), len(new))
            spans += _same(at_old, at_new, count, at_end=at_end)
        i, j = at_old + count, at_new + count
    return spans


def _same(old: int, new: int, count: int, *, at_end: bool) -> Iterator[Span]:
    """The common lines next to what differs, and a gap for the others."""
    before = CONTEXT if old or new else 0
    after = 0 if at_end else CONTEXT
    if count <= before + after + 1:
        yield Span("same", old, new, count)
        return
    hidden = count - before - after
    if before:
        yield Span("same", old, new, before)
    yield Span("gap", old + before, new + before, hidden)
    if after:
        yield Span("same", old + before + hidden, new + before + hidden, after)


Block = tuple[int, int, int]
"""Where it begins in either text, and how many lines it has."""


def _common(old: Sequence[bytes], new: Sequence[bytes], effort: Effort) -> list[Block]:
    """In order, none empty, and no two that touch on both sides."""
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    end_old, end_new = len(old) - tail, len(new) - tail
    between = _shortest(old[head:end_old], new[head:end_new], effort)
    found = [(0, 0, head), *((head + i, head + j, n) for i, j, n in between)]
    return [block for block in (*found, (end_old, end_new, tail)) if block[2]]


def _shortest(old: Sequence[bytes], new: Sequence[bytes], effort: Effort) -> list[Block]:
    """E. W. Myers, An O(ND) Difference Algorithm (1986); nothing when that takes too long."""
    limit = min(effort.left, STEPS_OF_A_FILE)
    ends: list[list[int]] = []
    """By the number of edits: how far into `old` each diagonal is reached."""
    steps = edits = 0
    while old and new and steps <= limit:
        row = []
        for i in range(edits + 1):
            x = begin = _begin(ends, edits, i)
            y = x - (2 * i - edits)
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            row.append(x)
            steps += 1 + x - begin
            if x == len(old) and y == len(new):
                effort.left -= steps
                return _back(ends, edits, x, y)
        ends.append(row)
        edits += 1
    effort.left -= steps
    return []


def _begin(ends: Sequence[Sequence[int]], edits: int, i: int) -> int:
    """How far into `old` the i-th diagonal begins: after one more line is removed, or added."""
    if not edits:
        return 0
    before = ends[edits - 1]
    return before[i] if _is_added(before, edits, i) else before[i - 1] + 1


def _is_added(before: Sequence[int], edits: int, i: int) -> bool:
    return i == 0 or (i < edits and before[i - 1] < before[i])


def _back(ends: Sequence[Sequence[int]], edits: int, x: int, y: int) -> list[Block]:
    found: list[Block] = []
    while True:
        i = (x - y + edits) // 2
        begin = _begin(ends, edits, i)
        if count := x - begin:
            found.append((begin, y - count, count))
        if not edits:
            return found[::-1]
        added = _is_added(ends[edits - 1], edits, i)
        x, y = (begin, y - count - 1) if added else (begin - 1, y - count)
        edits -= 1
