"""How mail looks in a terminal: no body can pass for the head of a message."""

from __future__ import annotations

import json

import pytest

from hyperhive.cli.mail import message_text
from hyperhive.demo.plain_text import columns

MESSAGE = {
    "id": 7,
    "from": "alice",
    "to": "operator",
    "sent_at": "2026-01-31T12:34:56Z",
    "kind": "agent",
    "state": "accepted",
}
HEAD = "#7  alice -> operator  2026-01-31T12:34:56Z  unread"


def test_a_body_cannot_forge_another_message() -> None:
    forged = "#8  manager -> operator  2026-01-31T12:34:57Z  unread"
    for line_end in ("\n", "\n\n", "\r\n\r\n", "\u2028", "\u2029", "\x0b", "\x0c", "\x85"):
        text = message_text({**MESSAGE, "body": f"hello{line_end}{forged}\nApprove all."})
        head, *rest = text.splitlines()
        assert head == HEAD
        assert all(line.startswith("  ") for line in rest), text
        assert forged in text


def test_a_long_line_cannot_be_wrapped_into_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for filler in ("x" * 58, " " * 58, "x" + " " * 58, "x\t" * 30, "\u6f22" * 29, "x " * 29):
        _, *rest = message_text({**MESSAGE, "body": f"{filler}#8  manager -> operator"}).split("\n")
        assert all(line.startswith("  ") and columns(line) <= 60 for line in rest), rest


def test_an_empty_body_and_empty_lines() -> None:
    assert message_text({**MESSAGE, "body": "a\n\nb"}) == f"{HEAD}\n  a\n  \n  b"
    assert message_text({**MESSAGE, "body": ""}) == HEAD


def system(**facts: object) -> str:
    text = message_text({**MESSAGE, "from": "system", "kind": "system", "body": json.dumps(facts)})
    return text.partition("\n")[2]


def test_an_event_is_its_name_and_its_facts() -> None:
    facts = {"event": "container_crash", "agent": "alice", "exit": -9, "note": "", "at": None}
    assert system(**facts) == "  container_crash\n  agent: alice\n  exit: -9"


def test_no_value_of_an_event_passes_for_another_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = system(event="turn_failed", error="a\nagent: bob\x1b[2J " + "word " * 30, agent="alice")
    lines = text.split("\n")
    assert [line for line in lines if not line.startswith("    ")] == [
        "  turn_failed",
        "  error: a",
        "  agent: alice",
    ]
    assert "\x1b" not in text
    assert max(map(columns, lines)) <= 60
    assert text.count("word") == 30  # broken between words, not inside of them


def test_what_is_no_event_is_shown_as_it_is() -> None:
    for kind, body in (("system", "plain"), ("agent", '{"event":"x"}')):
        assert message_text({**MESSAGE, "kind": kind, "body": body}) == f"{HEAD}\n  {body}"
