"""What the policy decides on the golden table's lines, and the reasons it gives."""

from __future__ import annotations

import pytest

from hyperhive.harness.bash_policy import decide
from hyperhive.protocol.patterns import parse_bash_patterns
from tests.harness.command_table import ALLOWED_BY, LISTS, OPEN_UNDER_GIT, OPEN_UNDER_GIT_LOG

PLACES = {"P": "/p", "D": "/d", "A": "/a", "F": "/f"}


def _allowing(line: str) -> str:
    return "".join(
        letter
        for letter, patterns in LISTS.items()
        if decide(line, parse_bash_patterns(patterns)).allowed
    )


@pytest.mark.parametrize(("line", "letters"), ALLOWED_BY)
def test_allowed_by(line: str, letters: str) -> None:
    assert _allowing(line) == letters


@pytest.mark.parametrize("line", OPEN_UNDER_GIT)
def test_known_open_under_git_and_refused_under_narrower_patterns(line: str) -> None:
    assert _allowing(line.format(**PLACES)) == "*g"


@pytest.mark.parametrize("line", OPEN_UNDER_GIT_LOG)
def test_known_open_under_git_log(line: str) -> None:
    assert _allowing(line.format(**PLACES)) == "*gl"


def test_the_empty_list_refuses_and_the_star_allows_everything() -> None:
    refusal = decide("ls", [])
    assert (refusal.allowed, refusal.reason) == (
        False,
        "Refused: this agent may not run any shell command.",
    )
    assert decide("anything ( ' at all", parse_bash_patterns(["ls", "*"])).allowed


def test_the_reason_names_the_part_and_what_is_allowed() -> None:
    reason = decide("git status && rm -rf 'a b'", parse_bash_patterns(["git *", "ls"])).reason
    assert reason == (
        "Refused: `rm -rf 'a b'` is not on the allow-list (command 2 of 2; each must be allowed by"
        " itself). Allowed commands: `git *`, `ls`."
    )


def test_the_reason_says_what_was_not_understood() -> None:
    reason = decide("git log $(id)", parse_bash_patterns(["git *"])).reason
    assert reason.startswith("Refused: variables and command substitution are not allowed")
    assert reason.endswith("Allowed commands: `git *`.")


def test_the_reason_is_short_and_on_one_line() -> None:
    patterns = parse_bash_patterns(f"tool{n} --long-option *" for n in range(1_000))
    for line in ("x" * 9_000, "x 'a\nb\tc'", "x $" + "y" * 9_000, "x; " + "y 'z' " * 1_000):
        reason = decide(line, patterns).reason
        assert reason.isprintable()
        assert len(reason) < 1_200
        assert " more." in reason
