"""Reads one word of a Bash command as Bash would, or refuses what it does not fully understand."""

from __future__ import annotations

import re

from hyperhive.protocol.patterns import SHELL_KEYWORDS


class NotUnderstood(Exception):
    """The command line is outside the subset; the message is a sentence that says where and why."""


_PIECE = re.compile(
    r"""
      \\ (?P<escaped> . )
    | ' (?P<single> [^']* ) '
    | " (?P<double> (?: [^"\\] | \\. )* ) "
    | (?P<bare> [^'"\\]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACE_EXPANSION = re.compile(r"[^{]*\{.*(?:,|\.\.)")
_SPECIAL_IN_NAMES = re.compile(r"[*?\[\]{}~=]")


def argument(word: str) -> str:
    """The word as the program gets it, except that globs and a leading tilde stay as written."""
    value, _ = _unquote(word)
    return value


def command_name(word: str) -> str:
    """The first word of a simple command, where more has a meaning than in arguments."""
    value, bare = _unquote(word)
    special = _SPECIAL_IN_NAMES.search(bare)
    if value in SHELL_KEYWORDS:
        raise NotUnderstood(f"compound commands are not allowed (`{value}`)")
    if special and special[0] == "=":
        raise NotUnderstood(f"variables may not be set before a command ({quoted(value)})")
    if special:
        raise NotUnderstood(f"`{special[0]}` is not allowed in the name of a command")
    # Bash takes a first word with `%`, even a quoted one, for `fg` of a job.
    if not value or value.startswith("%"):
        raise NotUnderstood(f"{quoted(value)} is not the name of a program")
    return value


def quoted(text: str, limit: int = 60) -> str:
    """The start of the text for a message, on one line."""
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:limit])
    return f"`{visible}{'...' if len(text) > limit else ''}`"


def _unquote(word: str) -> tuple[str, str]:
    """The word's value, and its unquoted characters with `_` for each quoted part."""
    value, bare = "", ""
    for piece in _PIECE.finditer(word):
        if piece["bare"] is not None:
            _refuse_expansion(piece["bare"], word)
            value += piece["bare"]
            bare += piece["bare"]
        else:
            value += _quoted_value(piece, word)
            bare += "_"
    # Not only for the number of words: `{Z..a}` yields backticks, and Bash evaluates them.
    if _BRACE_EXPANSION.match(bare):
        raise NotUnderstood(f"brace expansion is not allowed: write out {quoted(word)}")
    return value, bare


def _quoted_value(piece: re.Match[str], word: str) -> str:
    if piece["single"] is not None:
        return piece["single"]
    if piece["escaped"] is not None:
        return "" if piece["escaped"] == "\n" else piece["escaped"]
    text = piece["double"]
    _refuse_expansion(re.sub(r"\\.", "", text, flags=re.DOTALL), word)
    return re.sub(r'\\([$`"\\\n])', lambda escape: escape[1].strip("\n"), text)


def _refuse_expansion(text: str, word: str) -> None:
    if "$" in text or "`" in text:
        raise NotUnderstood(
            "variables and command substitution are not allowed: put single quotes around"
            f" {quoted(word)} if it is meant literally"
        )
