"""Values as people read them; text of agents loses nothing and hides nothing."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories without a shape of their own: controls, bidi marks, tags, unassigned."""


def visible(text: str) -> str:
    """The text with every character that would not show, or would move others, as `\\u202e`.

    Line feeds and tabs stay; a carriage return before a line feed is dropped.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shape(char) for char in text.replace("\r\n", "\n"))


_BLANK = re.compile(
    "[\u00a0\u034f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200a\u202f\u205f\u2800\u3000"
    "\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Other spaces than that of ASCII, variation selectors, fillers: seen as nothing, or as a space."""


def exact(text: str) -> str:
    """As `visible`, for what is decided by: of what looks empty, only spaces, tabs and line feeds
    stay as they are."""
    return text if text.isascii() and text.isprintable() else _BLANK.sub(_drawn, visible(text))


def _drawn(match: re.Match[str]) -> str:
    return _escape(match[0])


def _shape(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in _HIDDEN:
        return char
    return _escape(char)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(seconds: float | None) -> str:
    """`3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None:
        return "without limit"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit, small_size, small_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = int(seconds % size // small_size)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{seconds:.0f} s"


def money(usd: float) -> str:
    """US dollars, with as many digits as it takes to see a single turn."""
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"


def size(count: int) -> str:
    """Bytes as `300 MiB`, `1.5 GiB`."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return (
        f"{value:.0f} {units[0]}" if value >= 10 or value % 1 < 0.05 else f"{value:.1f} {units[0]}"
    )


def number(value: int) -> str:
    return f"{value:,}"


def clock(iso: str) -> str:
    """`2026-01-31T12:34:56Z` as `12:34:56`; the script of the page makes local times of them."""
    return iso[11:19]


def date_and_clock(iso: str) -> str:
    return f"{iso[:10]} {iso[11:19]} UTC"


def pretty_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def sentence(text: str) -> str:
    """With its first letter as at the begin of a sentence, the others as they are."""
    return text[:1].upper() + text[1:]


_LONG_CHARS, _LONG_LINES = 600, 12
_CUT_CHARS, _CUT_LINES = 300, 6


def is_long(text: str) -> bool:
    """Whether the text is folded at first."""
    return len(text) > _LONG_CHARS or text.count("\n") > _LONG_LINES


def cut(text: str) -> str:
    """The beginning of a folded text."""
    lines = text[:_CUT_CHARS].split("\n")
    start = "\n".join(lines[:_CUT_LINES])
    return start if len(start) == len(text) else start + "…"


_TONES = {
    "bad": "crashed dead expired failed lost not_built quarantined undeliverable unhealthy",
    "busy": "approved building checking evaluating leased open running working",
    "good": "acked answered clean done idle",
    "wait": "accepted deferred held needs_update pending queued rolled_back stale_base starting "
    "stopping",
}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words.split()}


def tone(state: str) -> str:
    """How a state is coloured; the word itself is always shown."""
    return _TONE_OF.get(state.replace(" ", "_"), "off")


FILTERS: dict[str, Callable[..., str]] = {
    "clock": clock,
    "cut": cut,
    "date_and_clock": date_and_clock,
    "duration": duration,
    "exact": exact,
    "money": money,
    "number": number,
    "pretty_json": pretty_json,
    "sentence": sentence,
    "size": size,
    "tone": tone,
    "visible": visible,
}
