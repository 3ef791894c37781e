"""A stream's events put together again are the reply."""

from __future__ import annotations

import json

import pytest

from hyperhive.demo.player import Reply, ToolUse
from hyperhive.demo.stream import encode, message
from hyperhive.demo.usage import InputTokens
from tests.demo.sse import assemble, content, parse

REPLY = Reply(
    'Two lines:\n\ndata: "Käse" 🧀',
    (ToolUse("Bash", {"command": "ls\n", "deep": [{"a": None}]}), ToolUse("Read", {})),
)


@pytest.mark.parametrize("chunk", [1, 3, 24, 10_000])
def test_stream_and_document_say_the_same(chunk: int) -> None:
    answer = message(REPLY, "claude-test-1", InputTokens(10, 20, 30))
    events = parse(b"".join(encode(event) for event in answer.events(chunk)))
    assert assemble(events) == answer.to_json()


def test_the_document() -> None:
    answer = message(REPLY, "claude-test-1", InputTokens(10, 20, 30)).to_json()
    assert {key: answer[key] for key in ("type", "role", "model", "stop_reason")} == {
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "stop_reason": "tool_use",
    }
    text, bash, read = content(answer)
    assert text == {"type": "text", "text": REPLY.text}
    assert (bash["name"], bash["input"]) == ("Bash", {"command": "ls\n", "deep": [{"a": None}]})
    assert str(bash["id"]).startswith("toolu_")
    assert bash["id"] != read["id"]
    assert json.dumps(answer)


def test_the_order_of_a_stream() -> None:
    answer = message(Reply("abcdef"), "claude-test-1", InputTokens(1))
    kinds = [event["type"] for event in answer.events(3)]
    assert kinds == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_message_starts_empty_and_ends_with_its_usage() -> None:
    answer = message(Reply("x" * 400), "claude-test-1", InputTokens(5, 6, 7))
    first, *_, last, _ = answer.events(100)
    start = first["message"]
    assert isinstance(start, dict)
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert last["usage"] == {**InputTokens(5, 6, 7).to_json(), "output_tokens": 100}
    assert last["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
