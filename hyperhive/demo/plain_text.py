"""Text of others made fit for a terminal: no control characters, wrapped to a width."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_SHOWN_AS_SPACE = "\t\v\f\r"


def visible(text: str) -> str:
    """The text without what a terminal would obey or hide; line ends stay."""
    return "".join(_visible(char) for char in text)


def columns(text: str) -> int:
    """How many columns a terminal needs for the text (Unicode Standard Annex 11)."""
    return sum(_columns(char) for char in text)


def wrap(text: str, width: int, limit: int) -> list[str]:
    """Lines of at most `width` columns; beyond `limit` lines one line says how many are left."""
    lines = [line for part in text.splitlines() for line in _wrap_line(part, width)]
    if len(lines) <= limit:
        return lines
    return [*lines[: limit - 1], f"... ({len(lines) - limit + 1} more lines)"]


def _visible(char: str) -> str:
    if char in _SHOWN_AS_SPACE:
        return " "
    # Cc, Cf: terminal escapes and direction marks; Cs, Co, Cn: nothing to draw.
    return (
        char
        if char == "\n" or unicodedata.category(char)[0] != "C"
        else "\N{REPLACEMENT CHARACTER}"
    )


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _wrap_line(line: str, width: int) -> Iterator[str]:
    """Breaks at spaces where there are any, keeping the indent of the line's beginning."""
    rest = line.rstrip()
    while columns(rest) > width:
        end = _fitting(rest, width)
        space = rest.rfind(" ", 1, end + 1)
        if space > len(rest) - len(rest.lstrip()):
            end = space
        yield rest[:end].rstrip()
        rest = rest[end:].lstrip()
    if rest or not line.strip():
        yield rest


def _fitting(text: str, width: int) -> int:
    """How many characters fit; at least one, or wrapping would not end."""
    used = 0
    for index, char in enumerate(text):
        used += _columns(char)
        if used > width:
            return max(1, index)
    return len(text)
