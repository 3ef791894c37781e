"""The table of agents, on terminals of all widths."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from hyperhive.cli.agents import agent_table
from hyperhive.demo.plain_text import columns

UNREACHABLE = "the model's API cannot be reached: 127.0.0.1:9: connection refused"
QUARANTINED = "3 crashes within 10 minutes; start it to try again"


def agent(name: str, state: str, **facts: Any) -> dict[str, Any]:
    return {
        "name": name,
        "role": "manager" if name == "manager" else "worker",
        "state": state,
        "model": "claude-opus-4-5-20251101",
        "waiting": 3,
        "today": {"usd": 12.5},
        "usage": {"memory_bytes": 300 * 2**20, "cpu_seconds": 4_000.0, "tasks": 17},
        "hold": None,
        "last_end": None,
        "problem": "",
        "description": "Writes the parser.",
        **facts,
    }


SWARM = [
    agent("manager", "idle"),
    agent("alice", "quarantined", problem=QUARANTINED),
    agent("bob", "held", hold={"reason": "unreachable", "detail": UNREACHABLE}),
]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_what_matters_is_seen_at_every_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    text = agent_table(SWARM)
    assert max(map(columns, text.splitlines())) <= width
    for wanted in ("NAME", "STATE", "NOTE", "quarantined", QUARANTINED, UNREACHABLE):
        assert wanted in " ".join(text.split())
    assert "\u2026" not in text


def test_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    head, *lines = agent_table(SWARM).splitlines()
    assert head.split() == ["NAME", "ROLE", "STATE", "MODEL", "MAIL", "TODAY", "NOTE"]
    assert f"    {QUARANTINED}" in lines


@pytest.mark.parametrize(
    ("reason", "detail", "note"),
    [
        ("unreachable", UNREACHABLE, UNREACHABLE),
        ("budget", "the budget is used up", "the budget is used up"),
        ("rate_limited", "slow down", "rate limited: slow down"),
        ("overloaded", "", "overloaded"),
    ],
)
def test_why_an_inbox_is_held(reason: str, detail: str, note: str) -> None:
    text = agent_table([agent("bob", "held", hold={"reason": reason, "detail": detail})])
    assert text.endswith(f"  {note}")
