"""What goes between the service and the jobs of Nix is checked field by field."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhive.protocol.builds import Request, parse_built, parse_evaluation, parse_request
from hyperhive.protocol.errors import BuildFailed, InvalidField

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
DRV = f"/nix/store/{HASH}-alice-bundle.drv"
BUNDLE = f"/nix/store/{HASH}-alice-bundle"
PROPOSAL = {"ok": True, "drv": DRV, "settings": {"notes": {"compactAbove": 2048}}, "system": BUNDLE}


def test_what_is_asked() -> None:
    asked = {"verb": "build", "agent": "alice", "seconds": 5, "offline": False, "drv": DRV}
    assert parse_request(asked) == Request(
        verb="build", agent="alice", seconds=5, offline=False, drv=DRV
    )
    assert parse_request({"verb": "eval", "agent": "alice", "seconds": 5}).offline


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verb": "gc"}, "verb"),
        ({"agent": "../alice"}, "agent"),
        ({"seconds": 0}, "seconds"),
        ({"drv": DRV}, "drv"),
        ({"verb": "build"}, "drv"),
        ({"verb": "build", "drv": BUNDLE}, "drv"),
        ({"more": 1}, "more"),
    ],
)
def test_what_cannot_be_asked(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField, match=rf"request\.{field}"):
        parse_request({"verb": "eval", "agent": "alice", "seconds": 5, **change})


def test_an_evaluation() -> None:
    found = parse_evaluation({**PROPOSAL, "warnings": ["a"]})
    assert (found.drv, found.system, found.warnings) == (DRV, BUNDLE, ("a",))
    assert found.settings.notes.compact_above == 2048
    assert parse_evaluation(PROPOSAL).warnings == ()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/nix/store",
        "/nix/store/",
        f"{BUNDLE}/agent.json",
        f"{BUNDLE}\n",
        f"/nix/store/{HASH}-..",
        f"/nix/store/{HASH}-.",
        f"/nix/store/../{HASH}-x",
        f"/nix/store/{'e' * 32}-x",
        f"/nix/store/{HASH[:-1]}-x",
        f"/gnu/store/{HASH}-x",
        f"/nix/store/{HASH}-" + "x" * 300,
        DRV,
    ],
)
def test_a_bundle_is_one_path_of_the_store(path: str) -> None:
    assert parse_built({"ok": True, "bundle": BUNDLE}).bundle == BUNDLE
    with pytest.raises(InvalidField, match=r"result\.bundle"):
        parse_built({"ok": True, "bundle": path})


def test_a_failure_is_raised_with_its_reason() -> None:
    with pytest.raises(BuildFailed, match="why") as caught:
        parse_built({"ok": False, "reason": "memory", "error": "why"})
    assert caught.value.to_json() == {
        "code": "build_failed",
        "message": "why",
        "reason": "memory",
    }


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ok": 1, "bundle": BUNDLE},
        {"ok": None},
        {"ok": False, "error": ""},
        {"ok": False, "reason": "x"},
    ],
)
def test_what_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(InvalidField, match="result"):
        parse_built(answer)
