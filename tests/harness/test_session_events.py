"""The limit on what an event of a turn carries."""

from __future__ import annotations

import pytest

from hyperhive.harness.session_events import MAX_EVENT_BYTES, TurnOutcome, bounded
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import TurnEvent


@pytest.mark.parametrize("text", ["", "short", "x" * MAX_EVENT_BYTES, "é" * (MAX_EVENT_BYTES // 2)])
def test_what_fits_is_left_alone(text: str) -> None:
    assert bounded(text) == text


@pytest.mark.parametrize("char", ["x", "é", "€", "𝄞"])
def test_what_does_not_fit_is_cut_between_characters_and_says_so(char: str) -> None:
    size = 100_000 * len(char.encode())
    cut = bounded(char * 100_000)
    assert MAX_EVENT_BYTES - 4 < len(cut.encode()) <= MAX_EVENT_BYTES
    assert f"[{size} bytes in all]" in cut
    assert set(cut[: cut.index("\n")]) == {char}


def test_a_lone_surrogate_can_be_sent() -> None:
    event = {"kind": "text", "text": bounded("a\ud800b")}
    assert parse(TurnEvent, event, "event").text == "a?b"


def test_only_completed_is_clean() -> None:
    assert TurnOutcome(status="completed").clean
    assert not TurnOutcome(status="interrupted").clean
