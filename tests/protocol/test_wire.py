"""Bytes to JSON: what two parsers could read differently is refused by the first."""

import json
import random

import pytest

from hyperhive.protocol.errors import InvalidFrame, TooLarge
from hyperhive.protocol.wire import MAX_DEPTH, MAX_DOCUMENT, dumps, loads, loads_object


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "",
        0,
        None,
        True,
        -1.5e300,
        2**53 - 1,
        -(2**53 - 1),
        {"a": [1, {"b": None}], "": "\u2028\U0001f600"},
        "[" * 1_000 + '\\"{',
    ],
    ids=repr,
)
def test_what_is_written_is_read_back(value: object) -> None:
    text = dumps(value)
    assert loads(text) == loads(text.encode()) == value


def test_what_is_written_is_compact_and_plain() -> None:
    assert dumps({"a": [1, "ü"]}) == '{"a":[1,"ü"]}'
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            dumps(bad)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{} {}",
        "nul",
        "'a'",
        "{a: 1}",
        "[1,]",
        "NaN",
        "-Infinity",
        "01",
        "1e999",
        "-1e999",
        str(2**53),
        str(-(2**53)),
        "1" * 5_000,
        '{"a": 1, "a": 1}',
        '{"a": 1, "\\u0061": 2}',
        '[{"b": {"a": 1, "a": 2}}]',
        '"\n"',
        "\ufeff{}",
    ],
)
def test_what_is_not_json_as_everybody_reads_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidFrame):
        loads(text)
    with pytest.raises(InvalidFrame):
        loads(text.encode())


@pytest.mark.parametrize("data", [b"\xff", b'"\xed\xa0\x80"', b"\x00", "{}".encode("utf-16")])
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidFrame):
        loads(data)


def test_nesting_is_bounded() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        deep = opening * MAX_DEPTH + "1" + closing * MAX_DEPTH
        loads(deep)
        for depth in (MAX_DEPTH + 1, 80_000):
            with pytest.raises(InvalidFrame, match="nested deeper than 32"):
                loads(opening * depth + "1" + closing * depth)


def test_brackets_in_strings_are_no_nesting() -> None:
    for text in ("[" * 100, '"[' * 50, "\\[" * 50, "{" * 100 + "\\"):
        assert loads(dumps({"a": text, "b": [text]})) == {"a": text, "b": [text]}


def test_sizes_are_bounded() -> None:
    loads('"' + "x" * (MAX_DOCUMENT - 2) + '"')
    with pytest.raises(TooLarge, match=str(MAX_DOCUMENT)):
        loads('"' + "x" * (MAX_DOCUMENT - 1) + '"')
    with pytest.raises(TooLarge, match="10"):
        loads(b"[1,2,3,4,5]", limit=10)


def test_an_object_is_asked_for_where_one_is_needed() -> None:
    assert loads_object('{"a": 1}') == {"a": 1}
    for text in ("[]", '"{}"', "1", "null"):
        with pytest.raises(InvalidFrame, match="object is expected"):
            loads_object(text)


def test_random_bytes_are_read_as_json_says_or_refused() -> None:
    chance = random.Random(3)
    pieces = [*'[]{},:"\\ 0123456789.eE+-', "null", "true", '"a"', '"b":', "\u00e9", "\\u12"]
    read = refused = 0
    for _ in range(5_000):
        text = "".join(chance.choices(pieces, k=chance.randint(1, 12)))
        try:
            value = loads(text)
        except InvalidFrame:
            refused += 1
        else:
            assert json.loads(text) == value
            read += 1
    assert read > 100 < refused
