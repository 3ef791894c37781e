"""Decides whether the allow-list covers every command of a Bash command line.

A guard rail, not a boundary: a listed program may itself start others.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from hyperhive.harness.shell_line import split_commands
from hyperhive.harness.shell_words import NotUnderstood, quoted
from hyperhive.protocol.patterns import BashPattern

# Characters of a reason, which a model reads and pays for.
_SHOWN_COMMAND = 200
_SHOWN_PATTERNS = 600


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and, in words for a model, why."""

    allowed: bool
    reason: str


def decide(line: str, patterns: Sequence[BashPattern]) -> Decision:
    """Allows the line if it is understood and each of its simple commands matches a pattern."""
    if any(pattern.allows_everything for pattern in patterns):
        return Decision(True, "every command is allowed")
    if not patterns:
        return Decision(False, "Refused: this agent may not run any shell command.")
    try:
        commands = split_commands(line)
    except NotUnderstood as fault:
        return _refuse(f"{fault}.", patterns)
    for number, words in enumerate(commands, start=1):
        if not any(pattern.matches(words) for pattern in patterns):
            return _refuse(_mismatch(words, number, len(commands)), patterns)
    return Decision(True, "every command of the line is on the allow-list")


def _refuse(problem: str, patterns: Sequence[BashPattern]) -> Decision:
    return Decision(False, f"Refused: {problem} Allowed commands: {_listing(patterns)}.")


def _mismatch(words: Sequence[str], number: int, total: int) -> str:
    where = f" (command {number} of {total}; each must be allowed by itself)" if total > 1 else ""
    return f"{quoted(shlex.join(words), _SHOWN_COMMAND)} is not on the allow-list{where}."


def _listing(patterns: Sequence[BashPattern]) -> str:
    shown: list[str] = []
    room = _SHOWN_PATTERNS
    for pattern in patterns:
        room -= len(pattern.text) + 4
        if room < 0:
            break
        shown.append(f"`{pattern.text}`")
    left = len(patterns) - len(shown)
    return ", ".join([*shown, f"and {left} more"] if left else shown)
