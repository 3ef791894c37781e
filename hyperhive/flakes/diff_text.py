"""What a file contains as lines for people, and what lines cannot tell as words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hyperhive.flakes.git_tree import Kind

MAX_LINES = 200_000
"""Of one file; so many would take a service's memory."""
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\f\r"))
_HIGH = bytes(range(0x80, 0x100))
_BINARY_SHARE = 0.1
"""Of bytes that are no text, in a file with a NUL. A single NUL in a text hides nothing."""


@dataclass(frozen=True, slots=True)
class Content:
    """One side of a change; `kind` is None where there is no file."""

    kind: Kind | None
    data: bytes
    is_utf8: bool
    unshown: str
    """Why nothing but a digest is shown of it; empty where its lines are."""

    @property
    def lines(self) -> list[bytes]:
        """Ended by line feeds alone, which belong to them."""
        return [] if self.unshown else _LINE.findall(self.data)

    @property
    def is_unended(self) -> bool:
        is_text = self.kind in ("file", "program") and not self.unshown
        return is_text and self.data != b"" and not self.data.endswith(b"\n")


def content(kind: Kind | None, data: bytes) -> Content:
    is_utf8 = _is_utf8(data)
    if _is_binary(data, is_utf8):
        return Content(kind, data, is_utf8, "binary")
    is_long = data.count(b"\n") > MAX_LINES
    return Content(kind, data, is_utf8, "too many lines" if is_long else "")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_binary(data: bytes, is_utf8: bool) -> bool:
    if b"\0" not in data:
        return False
    odd = _CONTROLS if is_utf8 else _CONTROLS + _HIGH
    return len(data) - len(data.translate(None, odd)) > _BINARY_SHARE * len(data)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides of a change."""

    old: Content
    new: Content

    @property
    def escaped(self) -> bool:
        """Whether bytes are drawn, since they are not UTF-8."""
        return any(not (side.is_utf8 or side.unshown) for side in (self.old, self.new))

    @property
    def hidden(self) -> int:
        """Lines of what is too long to be shown by line."""
        sides = (self.old, self.new)
        return sum(side.data.count(b"\n") for side in sides if side.unshown == "too many lines")

    def note(self) -> str:
        """What the lines do not tell."""
        sides = {"before": self.old, "after": self.new}
        sides = {word: side for word, side in sides.items() if side.kind}
        told = [_kinds(list(sides.values()))]
        told += [_digest(word, side) for word, side in sides.items() if side.unshown]
        told.append(_which("no line end at the end", sides, [s.is_unended for s in sides.values()]))
        told.append(_which("empty", sides, [s.data == b"" for s in sides.values()]))
        if self.escaped:
            told.append(r"not UTF-8: bytes that are not are drawn as \xNN, a backslash as \\")
        return "; ".join(part for part in told if part)


def drawn(line: bytes, *, escaped: bool) -> str:
    """A line without its end."""
    shown = line.removesuffix(b"\n")
    if escaped:
        return shown.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    return shown.decode()


_KINDS: dict[Kind, str] = {
    "file": "a file",
    "program": "a file",
    "link": "a symbolic link, whose line is where it points",
    "submodule": "a submodule, whose line is the commit of another repository",
}


def _kinds(sides: Sequence[Content]) -> str:
    """Nothing of what is a file on all sides."""
    words = list(dict.fromkeys(_KINDS[side.kind] for side in sides if side.kind))
    if len(words) == 2:
        return f"before {words[0]}; after {words[1]}"
    return "" if words == ["a file"] else words[0]


def _digest(word: str, side: Content) -> str:
    digest = hashlib.sha256(side.data).hexdigest()
    return f"{side.unshown} {word}: {len(side.data)} bytes, SHA-256 {digest}"


def _which(what: str, words: Sequence[str] | dict[str, Content], is_so: Sequence[bool]) -> str:
    """Where there is one side only, which need not be said."""
    true = [word for word, holds in zip(words, is_so, strict=True) if holds]
    if not true:
        return ""
    return what if len(is_so) == 1 else f"{what} {' and '.join(true)}"
