"""A change as text for a terminal: nothing in it can hide or pretend."""

from __future__ import annotations

from typing import Any

import click
import pytest

from hyperhive.cli.diff_text import Paper, diff_text, drawn

ESC = "\x1b"
PLAIN = Paper()


def line(kind: str, text: str, number: int = 1) -> dict[str, Any]:
    """At this line on either side, if it is on that side."""
    old, new = None if kind == "added" else number, None if kind == "removed" else number
    return {"kind": kind, "text": text, "old": old, "new": new}


def file(*lines: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "path": "agent.nix",
        "kind": "changed",
        "old_path": "",
        "old_mode": "100644",
        "new_mode": "100644",
        "old_size": 10,
        "new_size": 12,
        "note": "",
        "hidden": 0,
        "lines": list(lines),
        **changed,
    }


def view(*files: dict[str, Any], **changed: Any) -> dict[str, Any]:
    approval = {
        "id": 7,
        "kind": "apply_commit",
        "state": "pending",
        "agent": "alice",
        "requester": "manager",
        "description": "faster",
        "binding": {},
        "note": "",
    }
    base: dict[str, Any] = {"which": "running", "commit": "b" * 40}
    base["choices"] = [
        {"which": "running", "commit": "b" * 40, "label": "what runs now"},
        {"which": "previous", "commit": "d" * 40, "label": "approval 5, the one before this"},
    ]
    return {
        "approval": approval,
        "deploy": None,
        "base": base,
        "commit": "c" * 40,
        "commits": [],
        "more_commits": 0,
        "changes": {"files": list(files), "hidden_files": 0, "complete": True},
        "privileges": None,
        "warnings": [],
        "closure": None,
        "problem": "",
        **changed,
    }


def body(*lines: dict[str, Any], paper: Paper = PLAIN, **changed: Any) -> list[str]:
    """The lines of one file, below its name and the first place in it."""
    text = diff_text(view(file(*lines, **changed)), paper)
    found = text.split("files that differ: 1\n\n", 1)[1].splitlines()
    begin = next((at for at, text in enumerate(found) if click.unstyle(text)[:2] == "@@"), 0)
    return found[begin + 1 :]


def name(**changed: Any) -> str:
    return diff_text(view(file(**changed)), PLAIN).splitlines()[-1]


def test_the_whole_of_it() -> None:
    commit = {"id": "c" * 40, "author": "m", "at": "2026-01-31T12:34:56Z", "message": "one\ntwo"}
    rights = [
        {"option": "model", "what": "a -> b", "effect": "other"},
        {"option": "egress.allow", "what": "a.example:443", "effect": "narrower"},
        {"option": "allowedBash", "what": "npm *", "effect": "wider"},
    ]
    closure = {
        "built": True,
        "added": ["git-2.44.0"],
        "removed": ["git-2.43.0"],
        "size_before": 2**30,
        "size_after": 3 * 2**29,
        "download": None,
    }
    lines = [line("gap", "8 unchanged lines"), line("removed", "a", 9), line("added", "b", 9)]
    shown = view(
        file(*lines, line("same", "c", 10), line("gap", "1 unchanged lines", 11)),
        commits=[commit],
        more_commits=3,
        privileges=rights,
        warnings=["`npm *` can run any program"],
        closure=closure,
    )
    assert (
        diff_text(shown, PLAIN)
        == f"""\
approval 7 is pending: a change of alice, asked for by manager
  faster
commit   {"c" * 40}
against  {"b" * 40}, what runs now
  or --base previous: approval 5, the one before this

cccccccccccc  2026-01-31T12:34:56Z  m
    one
    two
and at least 3 more

rights and settings, beside those it has
! wider     allowedBash   npm *
  narrower  egress.allow  a.example:443
  other     model         a -> b

warning: `npm *` can run any program

packages: 1.0G before, 1.5G after
+ git-2.44.0
- git-2.43.0

files that differ: 1

changed agent.nix, 10 -> 12 bytes
@@ -9,2 +9,2 @@ 8 unchanged lines
-a
+b
 c
@@ end @@ 1 unchanged lines"""
    )


def test_what_is_not_there_is_told() -> None:
    shown = view(changes=None, problem="git took too long")
    assert "cannot be shown: git took too long" in diff_text(shown, PLAIN)
    shown = view(file(line("added", "x"), hidden=5))
    shown["changes"]["hidden_files"] = 3
    assert diff_text(shown, PLAIN).splitlines()[-2:] == [
        "! 5 lines are not shown in full",
        "! 3 files are not shown",
    ]
    assert "files that differ: 4" in diff_text(shown, PLAIN)
    closure = {"built": False, "added": ["a-1"], "removed": [], "download": 2**20}
    assert "packages to be built or fetched: 1, 1.0M to be fetched\n+ a-1" in diff_text(
        view(closure=closure), PLAIN
    )


@pytest.mark.parametrize(
    ("binding", "kind", "wish"),
    [
        ({}, "spawn", "a new agent alice"),
        ({"purge": False}, "destroy", "the end of alice, its files kept"),
        ({"purge": True}, "destroy", "the end of alice, its files deleted for good"),
    ],
)
def test_other_requests(binding: dict[str, Any], kind: str, wish: str) -> None:
    shown = view(commit=None, changes=None)
    shown["approval"] |= {"binding": binding, "kind": kind}
    assert diff_text(shown, PLAIN) == (
        f"approval 7 is pending: {wish}, asked for by manager\n  faster"
    )


def test_a_deploy() -> None:
    deploy = {"id": 3, "state": "done", "kind": "update", "agent": "alice", "actor": "operator"}
    text = diff_text(view(approval=None, deploy=deploy), PLAIN)
    assert text.startswith("deploy 3 is done: update of alice, by operator\ncommit   ccc")


def test_places_are_told_as_in_a_unified_diff() -> None:
    def places(*lines: dict[str, Any]) -> list[str]:
        text = diff_text(view(file(*lines)), PLAIN)
        return [found for found in text.splitlines() if found.startswith("@@")]

    assert places(line("added", "a"), line("added", "b", 2)) == ["@@ -0,0 +1,2 @@"]
    assert places(
        *(line("removed", "a"), line("same", "b", 2), line("gap", "7 unchanged lines")),
        *(line("same", "b", 10), line("added", "b", 11)),
    ) == ["@@ -1,2 +2,1 @@", "@@ -10,1 +10,2 @@ 7 unchanged lines"]
    assert places() == []


def test_names_say_what_became_of_the_file() -> None:
    assert name(kind="added", old_mode="", new_size=5) == "added agent.nix, 5 bytes"
    assert name(kind="removed", new_mode="", old_size=5) == "removed agent.nix, 5 bytes"
    assert name(kind="renamed", old_path="a\n+b") == (
        "renamed a\\u000a+b -> agent.nix, 10 -> 12 bytes"
    )
    assert name(new_mode="100755").endswith("bytes, mode 100644 file -> 100755 program")
    assert name(kind="added", old_mode="", new_mode="120000").endswith(", mode 120000 link")
    assert body(note=f"binary{ESC}[2J") == ["# binary\\u001b[2J"]


@pytest.mark.parametrize(
    "char",
    [
        *("\x00", "\x07", "\x08", "\r", ESC, "\x7f", "\x9b", "\x85", "\xad", "\xa0"),
        *("\u202e", "\u2066", "\u200b", "\u200d", "\u2028", "\u2060", "\ufeff", "\ue000"),
        *("\u034f", "\u115f", "\u2800", "\u3164", "\ufe0f", "\uffa0", "\u2003", "\u0378"),
        *("\U000e0041", "\U000e0101"),
    ],
)
def test_what_would_not_show_is_an_escape(char: str) -> None:
    code = f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
    assert drawn(f"a{char}b") == f"a{code}b"
    assert body(line("added", f"a{char}b")) == [f"+a{code}b"]


def test_what_shows_stays() -> None:
    assert drawn("é e\u0301 漢 \U0001f600 \t\\n") == "é e\u0301 漢 \U0001f600 \t\\n"


def test_blanks_at_the_end_are_drawn_where_they_may_be_the_change() -> None:
    lines = [line("removed", "a"), line("added", "a \t"), line("same", "b ")]
    assert body(*lines) == ["-a", "+a\\u0020\\u0009", " b "]


def test_a_terminal_begins_no_line_by_itself() -> None:
    fake = "# harmless" + " " * 10 + "-the lock is removed"
    assert body(line("added", fake), paper=Paper(width=21)) == [
        "+# harmless          ",
        ">-the lock is removed",
    ]
    assert body(line("added", "\t\tx漢字"), paper=Paper(width=17)) == ["+\t\t", ">x漢字"]
    assert body(line("added", fake * 9)) == [f"+{fake * 9}"]


def test_what_agents_say_begins_no_line_either() -> None:
    told = view(warnings=["w" * 50], privileges=[])
    told["approval"]["description"] = f"please{' ' * 70}! nothing is wider\n{ESC}[2J\r\u2028"
    told["approval"]["note"] = "n" * 90
    text = diff_text(told, Paper(width=78))
    assert "\n>! nothing is wider\n  \\u001b[2J\\u000d\\u2028\n  note: nnn" in text
    assert all(len(line) <= 78 for line in text.splitlines())


def test_colours_are_for_terminals() -> None:
    lines = [line("removed", f"{ESC}[32mx"), line("added", "y"), line("same", "z")]
    coloured = body(*lines, paper=Paper(coloured=True))
    assert coloured == [f"{ESC}[31m-\\u001b[32mx{ESC}[0m", f"{ESC}[32m+y{ESC}[0m", " z"]
    assert [click.unstyle(text) for text in coloured] == body(*lines)
    assert ESC not in "".join(body(*lines))
