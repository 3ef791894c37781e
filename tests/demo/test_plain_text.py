"""Text of others cannot command a terminal and fits its width."""

import pytest

from hyperhive.demo.plain_text import columns, visible, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Käse 蜂蜜 🐝\nsecond", "plain Käse 蜂蜜 🐝\nsecond"),
        ("a\tb\rc", "a b c"),
        ("\x1b[31mred\x1b]0;title\x07", "�[31mred�]0;title�"),
        ("\u202eevil\u2066 \u200b\ufeff", "�evil� ��"),
        ("\x00\x7f\x9b31m", "���31m"),
        ("\ud800 \ue000", "� �"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("蜂蜜", 4), ("e\u0301", 1), ("", 0)])
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("one\n\ntwo ", ["one", "", "two"]),
        ("abcdefghijklmnop", ["abcdefghij", "klmnop"]),
        ("a bcdefghijklmnop", ["a", "bcdefghijk", "lmnop"]),
        ("  indented text", ["  indented", "text"]),
        ("蜂蜜蜂蜜蜂蜜", ["蜂蜜蜂蜜蜂", "蜜"]),
        ("exactly te", ["exactly te"]),
        ("", []),
    ],
)
def test_wrap(text: str, lines: list[str]) -> None:
    assert wrap(text, 10, 5) == lines


def test_what_is_too_long_is_counted() -> None:
    assert wrap("\n".join("abcdef"), 10, 4) == ["a", "b", "c", "... (3 more lines)"]
    assert wrap("\n".join("abcd"), 10, 4) == ["a", "b", "c", "d"]


def test_a_width_too_small_for_one_character_still_ends() -> None:
    assert wrap("蜂蜜", 1, 5) == ["蜂", "蜜"]
