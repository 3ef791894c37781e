"""Patterns that grant more than they say are named; ordinary ones are not."""

from __future__ import annotations

import pytest

from hyperhive.protocol.pattern_warnings import warnings_for
from hyperhive.protocol.patterns import parse_bash_pattern


@pytest.mark.parametrize(
    ("pattern", "grant"),
    [
        ("*", "every command"),
        ("git *", "any program"),
        ("git:*", "any program"),
        ("git -C sub *", "any program"),
        ("/usr/bin/git *", "any program"),
        ("git fetch *", "any program"),
        ("git rebase *", "any program"),
        ("git log *", "any file"),
        ("git diff *", "any file"),
        ("env *", "any program"),
        ("bash *", "any program"),
        ("bash -c *", "any program"),
        ("python *", "any program"),
        ("python3.11 -m pytest *", "any program"),
        ("find . -name *", "any program"),
        ("xargs *", "any program"),
        ("sudo *", "any program"),
        ("make *", "any program"),
        ("npm run *", "any program"),
        ("sed *", "any program"),
        ("tar *", "any program"),
        ("eval *", "any program"),
        (". *", "any program"),
        ("printf *", "any program"),
        ("export *", "any program"),
        ("tee *", "any file"),
        ("cp *", "any file"),
        ("curl *", "any file"),
        ("sh", "pipes into it"),
        ("bash -s", "pipes into it"),
        ("python3 -", "pipes into it"),
    ],
)
def test_warned_about(pattern: str, grant: str) -> None:
    (warning,) = warnings_for(parse_bash_pattern(pattern))
    assert pattern in warning
    assert grant in warning


@pytest.mark.parametrize(
    "pattern",
    [
        *("git status", "git status *", "git log", "git branch --list", "ls *", "cat *", "echo *"),
        *(
            "make test",
            "npm test",
            "python3 -m pytest",
            "python3 setup.py",
            "cargo build",
            "gitk *",
        ),
    ],
)
def test_not_warned_about(pattern: str) -> None:
    assert warnings_for(parse_bash_pattern(pattern)) == ()
