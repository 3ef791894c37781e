"""Requests about commits on the command line, and new agents with a module of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import test_deploys
from tests.cli.conftest import Run
from tests.cli.test_deploys import Beside
from tests.cli.test_verbs import HOSTILE, good, refused

beside, run = test_deploys.beside, test_deploys.run


def proposed(beside: Beside) -> tuple[int, str]:
    """The approval of a change of alice, checked, and its commit."""
    made = beside.made
    one = beside.do(made.commit("alice", "one"))
    first = beside.do(made.deploy("alice", commit=one))
    beside.do(made.configs.settle("alice", first.id, one))
    two = beside.do(made.commit("alice", "two"))
    return beside.do(made.propose("alice", two, one, f"do it {HOSTILE}")).id, two


def test_approvals_say_what_to_type_next(run: Run, beside: Beside) -> None:
    number, commit = proposed(beside)
    head, row, _, *steps = good(run("approvals")).out.splitlines()
    assert head.split() == ["ID", "KIND", "AGENT", "COMMIT", "BY", "STATE", "DESCRIPTION"]
    wanted = [str(number), "apply_commit", "alice", commit[:12], "system", "pending", "do", "it"]
    assert row.split()[:8] == wanted
    assert "\\u001b[2J" in row
    assert steps == [
        "What one would change: hyperhive diff ID",
        "To decide: hyperhive approve ID, or hyperhive deny ID REASON",
    ]
    good(run("deny", str(number)))
    assert good(run("approvals")).out == "nothing waits for approval\n"
    assert "To decide" not in good(run("approvals", "--all")).out


def test_what_is_being_checked_is_said_to_be(run: Run, beside: Beside) -> None:
    number, _ = proposed(beside)
    beside.do(beside.made.checking(number))
    *_, last = good(run("approvals")).out.splitlines()
    assert last.startswith("What is checking is being evaluated")
    refused(run("approve", str(number)), f"approval {number} is being checked")


def test_approve_says_what_and_how_to_follow_it(run: Run, beside: Beside) -> None:
    number, commit = proposed(beside)
    other = ("f" if commit[0] != "f" else "e") * 7
    refused(run("approve", str(number), "--commit", other), f"is about commit {commit[:12]}, not")
    refused(run("approve", str(number), "--commit", "main"), "must be hexadecimal")
    assert good(run("approve", str(number), "--commit", commit[:7])).out == (
        f"approved: apply_commit alice, commit {commit[:12]}\n"
        f"Follow it: hyperhive deploy-log {number} -f\n"
    )
    assert run("deploy-log", str(number)).err == f"deploy {number}: queued\n"


def test_spawn_with_a_module(run: Run, beside: Beside, tmp_path: Path) -> None:
    file = tmp_path / "carol.nix"
    file.write_text("{ }\n")
    made = good(run("spawn", "carol", "--module", str(file), "--description", "counts"))
    (deploy,) = good(run("deploys", "carol", "--json")).json
    follow = f"Follow it: hyperhive deploy-log {deploy['id']} -f"
    assert made.out == f"carol is being made\n{follow}\n"
    answer = good(run("spawn", "dave", "--module", "-", "--json", stdin=b"{ ... }: { }")).json
    assert answer["agent"] == "dave"
    commit = good(run("deploys", "dave", "--json")).json[0]["commit"]
    changes = beside.do(beside.made.configs.changes("dave", None, commit, whole=True))
    assert [line.text for line in changes.files[0].lines] == ["{ ... }: { }"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "carol.nix: cannot be read: No such file or directory"),
        (b"x" * 65_537, "carol.nix has more than 65536 bytes"),
        (b"{ }\xff", "carol.nix: is not UTF-8 at byte 3"),
        (b"\n", "module: is empty; leave it out for the defaults"),
    ],
)
def test_a_module_that_is_none(run: Run, tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "carol.nix"
    if content is not None:
        file.write_bytes(content)
    refused(run("spawn", "carol", "--module", str(file)), said)
    refused(run("spawn", "carol", "--module", str(tmp_path)), "cannot be read: Is a directory")
    refused(run("deploys", "carol"), "no agent 'carol'")
