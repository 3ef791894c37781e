"""Ids as arguments: what is none is told as such."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("wrong", ["abc", "0", "-0x1", "1.5", "1_0", "\u0663", "9" * 20, ""])
@pytest.mark.parametrize(
    ("verb", "rest", "thing"),
    [
        ("approve", [], "an approval"),
        ("deny", [], "an approval"),
        ("answer", ["yes"], "a question"),
        ("cancel-question", [], "a question"),
        ("deploy-log", [], "a deploy"),
        ("cancel-deploy", [], "a deploy"),
    ],
)
def test_a_wrong_id(anywhere: Run, verb: str, rest: list[str], thing: str, wrong: str) -> None:
    result = anywhere(verb, "--", wrong, *rest)
    assert (result.code, result.out) == (2, "")
    assert f"must be the number of {thing}" in result.err


@pytest.mark.parametrize(
    ("arguments", "thing"),
    [
        (["rollback", "alice", "--to", "last"], "a deploy"),
        (["send", "alice", "hello", "--reply-to", "that"], "a message"),
    ],
)
def test_a_wrong_id_as_an_option(anywhere: Run, arguments: list[str], thing: str) -> None:
    result = anywhere(*arguments)
    assert result.code == 2
    assert f"{arguments[-1]!r} must be the number of {thing}" in result.err
