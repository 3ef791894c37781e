"""The lines that two texts have in common: always right, short where that is found in time."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import pairwise

from hyperhive.flakes.diff_lines import CONTEXT, STEPS_OF_A_FILE, Effort, Span, compare


def applied(old: Sequence[bytes], new: Sequence[bytes], spans: Sequence[Span]) -> list[bytes]:
    """The old text changed as the spans say; `new` is asked for what they add alone."""
    result: list[bytes] = []
    at = 0
    for span in spans:
        assert (span.old, span.new) == (at, len(result))
        assert span.count > 0
        if span.kind == "added":
            result += new[span.new : span.new + span.count]
            continue
        if span.kind != "removed":
            result += old[at : at + span.count]
        at += span.count
    assert at == len(old)
    return result


def kinds(old: str, new: str) -> list[str]:
    """Of texts whose lines are single characters."""
    spans = compare([c.encode() for c in old], [c.encode() for c in new], Effort())
    return [f"{span.kind} {span.count}" for span in spans]


def test_random_texts_come_out_as_the_new_one() -> None:
    chosen = random.Random(7)
    for _ in range(3_000):
        letters = "abcd"[: chosen.randrange(1, 5)]
        old, new = (
            [chosen.choice(letters).encode() for _ in range(chosen.randrange(20))] for _ in "12"
        )
        spans = compare(old, new, Effort())
        assert (applied(old, new, spans) if spans else old) == new
        shown = [span.kind for span in spans]
        assert all(one != other for one, other in pairwise(shown))


def test_it_is_as_short_as_can_be() -> None:
    assert kinds("abcabba", "cbabac") == [
        *("removed 2", "same 1", "added 1", "same 2"),
        *("removed 1", "same 1", "added 1"),
    ]
    assert kinds("same", "same") == []
    assert kinds("", "ab") == ["added 2"]
    assert kinds("ab", "") == ["removed 2"]
    assert kinds("a", "b") == ["removed 1", "added 1"]


def test_far_from_what_differs_is_a_gap() -> None:
    text = "0123456789"
    assert CONTEXT == 3
    assert kinds(text, text + "x") == ["gap 7", "same 3", "added 1"]
    assert kinds(text, "x" + text) == ["added 1", "same 3", "gap 7"]
    assert kinds("a" + text + "b", "A" + text + "B") == [
        *("removed 1", "added 1", "same 3", "gap 4"),
        *("same 3", "removed 1", "added 1"),
    ]
    # A gap of one line would take as much room as the line.
    assert kinds("a1234567b", "A1234567B") == [
        *("removed 1", "added 1", "same 7", "removed 1", "added 1")
    ]


def test_what_takes_too_long_is_replaced_as_a_whole() -> None:
    chosen = random.Random(7)
    old, new = ([b"%d" % chosen.randrange(9) for _ in range(50_000)] for _ in "12")
    old[0] = new[0] = b"head"
    effort = Effort()
    begun = time.monotonic()
    spans = compare(old, new, effort)
    assert time.monotonic() - begun < 10
    assert applied(old, new, spans) == new
    assert len(spans) <= 4
    assert Effort().left - 2 * STEPS_OF_A_FILE < effort.left < Effort().left - STEPS_OF_A_FILE // 2


def test_a_few_changes_of_a_long_text_are_found() -> None:
    old = [b"%d" % n for n in range(200_000)]
    new = list(old)
    for at in (10, 100_000, 199_990):
        new[at] = b"other"
    spans = compare(old, new, Effort())
    assert applied(old, new, spans) == new
    assert sum(span.count for span in spans if span.kind == "added") == 3


def test_effort_is_spent_once() -> None:
    effort = Effort(left=5)
    old, new = [b"a", b"b", b"c", b"d"], [b"w", b"b", b"c", b"z"]
    assert len(compare(old, new, effort)) == 2
    assert effort.left < 5
    assert len(compare(old, new, Effort())) == 5
