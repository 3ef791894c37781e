"""Text of agents on a terminal, as JSON too: nothing that a terminal would obey."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest

from hyperhive.cli.render import json_text, safe, size, table
from hyperhive.demo.plain_text import columns

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


# --- tables ---


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "38")
    return monkeypatch


HEAD = ("name", "state", "cpu", "memory", "note")
ROWS = [("alice", "quarantined", "1m 05s", "300M", "short"), ("bob", "idle", "-", None, "n " * 60)]


def test_without_a_terminal_a_row_is_a_line() -> None:
    head, alice, bob = table(HEAD, ROWS, "none", ("cpu",)).splitlines()
    assert head.split() == ["NAME", "STATE", "CPU", "MEMORY", "NOTE"]
    assert alice.endswith("short")
    assert bob.endswith("n n")
    assert table(HEAD, [], "none") == "none"


def test_a_narrow_terminal_goes_without_what_can_be_spared(terminal: pytest.MonkeyPatch) -> None:
    assert table(HEAD, ROWS[:1], "none", ("cpu", "memory")).splitlines() == [
        "NAME   STATE        MEMORY  NOTE",
        "alice  quarantined  300M    short",
    ]
    terminal.setenv("COLUMNS", "30")
    assert table(HEAD, ROWS[:1], "none", ("cpu", "memory")).splitlines() == [
        "NAME   STATE        NOTE",
        "alice  quarantined  short",
    ]
    terminal.setenv("COLUMNS", "100")
    assert "CPU" in table(HEAD, ROWS, "none", ("cpu", "memory"))


@pytest.mark.parametrize("width", [12, 20, 40, 80])
@pytest.mark.parametrize("word", ["note", "\u6f22\u5b57"])
def test_the_last_column_is_never_cut(terminal: pytest.MonkeyPatch, width: int, word: str) -> None:
    terminal.setenv("COLUMNS", str(width))
    note = " ".join(f"{word}{number}" for number in range(40))
    head, row, *below = table(("name", "note"), [("alice", note)], "none").splitlines()
    assert (head.split()[0], row) == ("NAME", "alice")
    assert all(line.startswith("    ") for line in below)
    assert max(map(columns, [row, *below])) <= width
    assert "".join("".join(below).split()) == note.replace(" ", "")


def test_columns_are_aligned_by_what_a_terminal_draws() -> None:
    rows = [("\u6f22\u5b57", "x"), ("abcd", "y"), ("e\u0301", "z")]
    lines = table(("name", "note"), rows, "none").splitlines()
    assert {columns(line) for line in lines[1:]} == {7}


def test_a_row_that_is_too_long_by_itself_is_cut(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("COLUMNS", "10")
    assert table(("name", "note"), [("x" * 30, "y")], "none").splitlines()[-2:] == [
        "x" * 9 + "\u2026",
        "    y",
    ]
