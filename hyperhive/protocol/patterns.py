"""The grammar of the Bash allow-list: exact commands, `prefix *`, `prefix:*`, and `*` for all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_PATTERN_CHARS = 1_000
MAX_PATTERNS = 1_000

_KEYWORDS = """
    ! [[ ]] { } case coproc do done elif else esac fi for function if in select then time until
    while
"""
SHELL_KEYWORDS = frozenset(_KEYWORDS.split())
"""Words that open or divide compound commands (bash(1), RESERVED WORDS)."""


class PatternError(ValueError):
    """A pattern is refused; `suggestion` is what was probably meant, or None."""

    def __init__(self, pattern: str, problem: str, suggestion: str | None = None) -> None:
        hint = f"; did you mean `{suggestion}`?" if suggestion else ""
        super().__init__(f"`{_shown(pattern)}`: {problem}{hint}")
        self.pattern = pattern
        self.problem = problem
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class BashPattern:
    """One entry: the command's first words, and whether further words may follow."""

    text: str
    words: tuple[str, ...]
    rest: bool

    @property
    def allows_everything(self) -> bool:
        return self.rest and not self.words

    def matches(self, words: Sequence[str]) -> bool:
        """Compares with the words of one simple command, quoting already removed."""
        start = tuple(words[: len(self.words)])
        return start == self.words and (self.rest or len(words) == len(self.words))


def parse_bash_patterns(texts: Iterable[str]) -> tuple[BashPattern, ...]:
    """Parses a whole allow-list; raises PatternError."""
    listed = tuple(texts)
    if len(listed) > MAX_PATTERNS:
        raise PatternError("", f"{len(listed)} patterns are too many: the limit is {MAX_PATTERNS}")
    return tuple(parse_bash_pattern(text) for text in listed)


def parse_bash_pattern(text: str) -> BashPattern:
    """Parses one entry; raises PatternError with the fault and, where it is clear, a correction."""
    problem = _problem(text)
    if problem is not None:
        raise PatternError(text, problem, _corrected(text))
    return _read(text)


def _read(text: str) -> BashPattern:
    if text == "*":
        return BashPattern(text, (), rest=True)
    for ending in (" *", ":*"):
        if text.endswith(ending):
            return BashPattern(text, tuple(text.removesuffix(ending).split(" ")), rest=True)
    return BashPattern(text, tuple(text.split(" ")), rest=False)


def _problem(text: str) -> str | None:
    """The first fault, or None. What is not known to be harmless is a fault."""
    if len(text) > MAX_PATTERN_CHARS:
        return f"has {len(text)} characters, the limit is {MAX_PATTERN_CHARS}"
    for fault, problem in _FAULTS:
        found = fault.search(text)
        if found:
            return problem.format(found[0])
    command = _read(text).words[:1]
    if command and command[0] in SHELL_KEYWORDS:
        return f"`{command[0]}` is a shell keyword, and compound commands are always refused"
    return None


_FAULTS = tuple(
    (re.compile(fault), problem)
    for fault, problem in (
        (r"\A *\Z", "is empty: `*` allows every command, an empty list none"),
        (r"[^\x20-\x7e]", "may contain only printable ASCII characters and spaces"),
        (r"\ABash(\Z|\()", "is a command pattern already: leave out `Bash` and its parentheses"),
        (r"\A | \Z|  ", "has a space too many"),
        (r"[()]", "contains `{}`: groups and alternatives are not understood, list each command"),
        (r"\A\^|\$\Z|\.[*+]|\\", "looks like a regular expression (`{}`), which is not understood"),
        (r"[\[\]?]", "contains `{}`: neither regular expressions nor globs are understood"),
        (r"[;&|<>]", "contains the shell operator `{}`: a pattern is one simple command"),
        (r"[$`]", "contains `{}`: expansions are always refused"),
        (r"['\"]", "contains the quote {}: patterns are compared after quotes are removed"),
        (r"[{}]", "contains `{}`: braces are not understood"),
        (r"[^ :]\*|\*(?!\Z)", "may have `*` only as its last word"),
        (r"\A:\*|[ :]:\*", "has no word before `:*`"),
        (r"(\A|[ =:])~", "contains `~`: write the path in full"),
        (r"(\A| )#", "contains a comment"),
        (r",(\Z| )", "contains a comma between words: write each pattern as an entry of its own"),
        (r"\A[^ ]*=", "starts with a variable assignment, which is always refused"),
        (r"\A%", "starts with `%`, which stands for a job of the shell"),
    )
)


def _corrected(text: str) -> str | None:
    """The valid pattern that `text`, read as a regular expression or a rule, most likely means."""
    if len(text) > MAX_PATTERN_CHARS:
        return None
    candidate = text.strip(" ")
    if candidate == "Bash":
        return "*"
    rule = re.fullmatch(r"Bash\((.+)\)", candidate)
    candidate = (rule[1] if rule else candidate).removeprefix("^").removesuffix("$")
    candidate = re.sub(r"\\[sb][*+]?", " ", candidate)
    candidate = re.sub(r"\\([-./])", r"\1", candidate)
    candidate = re.sub(r"(?<![^\w ])(\.[*+]|\*+)\Z", " *", candidate)
    candidate = " ".join(part for part in candidate.split(" ") if part)
    return candidate if candidate != text and _problem(candidate) is None else None


def _shown(text: str, limit: int = 100) -> str:
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:limit])
    return visible + ("..." if len(text) > limit else "")
