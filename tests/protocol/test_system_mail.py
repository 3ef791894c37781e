"""What mail of the hive itself says."""

from __future__ import annotations

import pytest

from hyperhive.protocol.system_mail import system_facts


def test_helper_events_are_taken_apart() -> None:
    body = '{"event":"container_crash","agent":"alice","exit":-9,"note":"","more":["a"]}'
    assert system_facts("system", body) == {
        "event": "container_crash",
        "agent": "alice",
        "exit": "-9",
        "more": '["a"]',
    }


@pytest.mark.parametrize(
    ("kind", "body"),
    [("agent", '{"event":"x"}'), ("system", "{"), ("system", "[]"), ("system", '{"a":1}')],
)
def test_other_bodies_are_text(kind: str, body: str) -> None:
    assert system_facts(kind, body) is None
