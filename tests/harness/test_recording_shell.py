"""The recorder itself must see hidden commands, or the comparison with Bash proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.recording_shell import executed


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("one 'two \n three'", {("one", "two \n three")}),
        ("one; cd /; . x", {("one",), ("cd", "/"), (".", "x")}),
        ("one $(two)", {("one",), ("two",)}),
        ('one "`two`"', {("one", ""), ("two",)}),
        ("one <(two)", {("one", "/dev/fd/63"), ("two",)}),
        ("one & two", {("one",), ("two",)}),
        ("(one)", {("one",)}),
        ("x=1 one", {("one",)}),
        ("if one; then two; fi", {("one",), ("two",)}),
        ("one {a,b}", {("one", "a", "b")}),
        ("one | two |& three", {("one",), ("two",), ("three",)}),
        ("one 2>&1 two >/dev/null", {("one", "two")}),
        ("{ one", set()),
    ],
)
def test_every_way_to_run_a_command_is_seen(
    line: str, commands: set[tuple[str, ...]], tmp_path: Path
) -> None:
    found = set(executed([line], ["one"], tmp_path)[0])
    assert found == commands


def test_status_decides_which_branches_run(tmp_path: Path) -> None:
    line = "a && b || c"
    assert executed([line], ["one"], tmp_path, status=0) == [[("a",), ("b",)]]
    assert executed([line], ["one"], tmp_path, status=1) == [[("a",), ("c",)]]


def test_a_file_left_behind_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        executed(["a >file"], [], tmp_path)
