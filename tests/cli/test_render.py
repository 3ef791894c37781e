"""Text of agents on a terminal, as JSON too: nothing that a terminal would obey."""

from __future__ import annotations

import json
import unicodedata

import pytest

from hyperhive.cli.render import json_text, safe, size

HOSTILE = "\x1b[2J \x9b2J \x07 \x7f \u202e \u2028 \u200b \U000e0041 \ud800 \r\n\t \u00e4\u6f22"


def _obeyed(text: str) -> list[str]:
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return [char for char in text if char not in "\n\t" and unicodedata.category(char) in hidden]


def test_no_control_or_bidi_character_passes() -> None:
    assert _obeyed(safe(HOSTILE)) == []


def test_json_means_the_same_and_holds_nothing_that_a_terminal_obeys() -> None:
    value = {"body": HOSTILE, HOSTILE: [1, None, "\u00e4"]}
    for indent in (None, 2):
        text = json_text(value, indent)
        assert _obeyed(text) == []
        assert json.loads(text) == value
        assert "\u00e4\u6f22" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0.0B"), (1536, "1.5K"), (300 * 2**20, "300M"), (2**60, "1024P")],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text
