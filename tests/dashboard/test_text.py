"""Values as people read them."""

import sys
import unicodedata

import pytest

from hyperhive.dashboard.text import cut, duration, exact, is_long, money, sentence, tone, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("two\r\nlines", "two\nlines"),
        ("bell\a, escape\x1b[31m, delete\x7f", r"bell\x07, escape\x1b[31m, delete\x7f"),
        ("a\rb", r"a\x0db"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("line\u2028sep", r"line\u2028sep"),
        ("Grüße, 世界, 🐝, שלום", "Grüße, 世界, 🐝, שלום"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_what_hides_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_character_without_a_shape_gets_through() -> None:
    hidden = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
    every = (chr(code) for code in range(sys.maxunicode + 1))
    shown = set(visible("".join(every))) - {"\n", "\t"}
    assert [c for c in shown if unicodedata.category(c) in hidden] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("no\u00a0break, wide\u3000, thin\u2009", r"no\xa0break, wide\u3000, thin\u2009"),
        ("filler\u3164\u115f\uffa0, joiner\u034f", r"filler\u3164\u115f\uffa0, joiner\u034f"),
        ("variant\ufe0f\U000e0100", r"variant\ufe0f\U000e0100"),
        ("blank\u2800, \u202e", r"blank\u2800, \u202e"),
        ("Grüße, 世界, שלום, e\u0301", "Grüße, 世界, שלום, e\u0301"),
    ],
)
def test_what_looks_like_nothing_is_spelled_out_too(text: str, shown: str) -> None:
    assert exact(text) == shown


def test_of_spaces_there_is_one() -> None:
    every = "".join(chr(code) for code in range(sys.maxunicode + 1))
    blank = [c for c in set(exact(every)) if c.isspace() or unicodedata.category(c)[0] == "Z"]
    assert sorted(blank) == ["\t", "\n", " "]


def test_a_sentence_keeps_its_names() -> None:
    assert sentence("the file X.nix") == "The file X.nix"
    assert sentence("") == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "without limit"),
        (0, "0.0 s"),
        (3.24, "3.2 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (300, "5 min"),
        (3_725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (604_800, "7 d"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_money_shows_what_one_turn_costs() -> None:
    assert [money(usd) for usd in (0, 0.0123, 0.5, 1, 1234.5)] == [
        "$0",
        "$0.0123",
        "$0.5000",
        "$1.00",
        "$1,234.50",
    ]


def test_long_text_is_cut() -> None:
    assert not is_long("x" * 600)
    assert is_long("x" * 601)
    assert is_long("\n" * 13)
    assert cut("x" * 601) == "x" * 300 + "…"
    assert cut("1\n2\n3\n4\n5\n6\n7\n8") == "1\n2\n3\n4\n5\n6…"
    assert cut("short") == "short"


def test_states_have_a_tone() -> None:
    assert [tone(s) for s in ("idle", "working", "held", "quarantined", "stopped", "?")] == [
        "good",
        "busy",
        "wait",
        "bad",
        "off",
        "off",
    ]
