"""Counting tokens off a stream, however it is cut into pieces."""

import json
from typing import Any

import pytest

from hyperhive.gateway.model_usage import EventReader, Meter
from hyperhive.hive.records import Usage
from tests.gateway.upstream import event, stream

START = {
    "input_tokens": 10,
    "output_tokens": 1,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 7,
}
USED = Usage(input_tokens=10, output_tokens=20, cache_read_tokens=100, cache_write_tokens=7)


def metered(pieces: list[bytes]) -> Meter:
    meter, reader = Meter(), EventReader()
    for piece in pieces:
        for data in reader.feed(piece):
            meter.see_event(data)
    return meter


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_any_pieces_and_any_line_ends_count_the_same(size: int, end: bytes) -> None:
    whole = b": a comment\n\n" + b"".join(stream("hällo", start=START)) + b"id: 1\nretry: 2\n\n"
    whole = whole.replace(b"\n", end)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    meter = metered(pieces)
    assert meter.complete
    assert meter.used == USED


def test_data_over_several_lines_and_without_a_space() -> None:
    data = json.dumps({"type": "message_delta", "usage": {"output_tokens": 5}}, indent=1)
    lines = b"".join(b"data:" + line.encode() + b"\n" for line in data.splitlines())
    assert metered([lines + b"\n"]).used.output_tokens == 5


def test_counts_are_cumulative_and_the_last_ones_hold() -> None:
    deltas = [
        event("message_delta", usage={"output_tokens": n, "input_tokens": 10 + n}) for n in (3, 9)
    ]
    meter = metered([stream(start=START)[0], *deltas])
    assert meter.used == Usage(19, 9, 100, 7)


def test_what_a_compaction_used_shows_only_among_the_iterations() -> None:
    rounds = [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
    ]
    end = {"input_tokens": 23_000, "output_tokens": 1_000, "iterations": rounds}
    assert metered(stream(end=end)).used == Usage(203_000, 4_500)


def test_an_answer_cut_off_has_its_output_estimated_from_what_came() -> None:
    pieces = stream("x" * 3_000, start=START)
    assert metered(pieces[:3]).used == Usage(10, 1_000, 100, 7)
    assert metered(pieces[:1]).used == Usage(10, 1, 100, 7)
    assert metered(pieces[:5]).used.output_tokens == 1_000  # counted, but not known to be final
    assert metered(pieces).used.output_tokens == 20
    assert not metered(pieces[:5]).complete


def test_an_error_in_the_stream_is_seen() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert metered([stream()[0], event("error", error=error)]).error == error


@pytest.mark.parametrize(
    "data",
    [
        "",
        "x",
        "[]",
        "null",
        "{}",
        '{"type": []}',
        '{"type": "message_start"}',
        '{"type": "message_start", "message": []}',
        '{"type": "message_delta", "usage": 1}',
        '{"type": "message_delta", "usage": {"output_tokens": "5"}}',
        '{"type": "message_delta", "usage": {"output_tokens": -5}}',
        '{"type": "message_delta", "usage": {"output_tokens": 1e300}}',
        '{"type": "message_delta", "usage": {"output_tokens": null, "iterations": [1, {}]}}',
        '{"type": "content_block_delta", "delta": {"text": 5}}',
        '{"type": "error", "error": "x"}',
    ],
)
def test_what_cannot_be_read_counts_nothing(data: str) -> None:
    meter = Meter()
    meter.see_event(data.encode())
    assert meter.used == Usage()


def test_a_whole_message_is_counted() -> None:
    meter = Meter()
    message: dict[str, Any] = {"type": "message", "usage": START | {"output_tokens": 20}}
    meter.see_message(message)
    assert (meter.complete, meter.used) == (True, USED)
    odd: list[object] = [None, [], {}, {"usage": None}]
    for message_like in odd:
        meter = Meter()
        meter.see_message(message_like)
        assert meter.used == Usage()


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    reader = EventReader()
    for _ in range(20):
        assert reader.feed(b"x" * 1_000_000) == []
    assert len(reader._rest) <= 8 * 1024 * 1024
    reader.feed(b"\n\n")
    assert reader.feed(b"data: {}\n\n") == [b"{}"]
