"""A reader of the API's server-sent events, written from its documentation, for tests."""

from __future__ import annotations

import json

Json = dict[str, object]


def parse(data: bytes) -> list[Json]:
    """The events of a whole stream; the event's name must be its type."""
    events = []
    for block in data.decode().split("\n\n")[:-1]:
        name, text = block.split("\n")
        event = json.loads(text.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def assemble(events: list[Json]) -> Json:
    """The message that a stream built up."""
    message: Json = {}
    blocks: list[Json] = []
    inputs: list[str] = []
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            message = dict(_object(event["message"]))
        elif kind == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(dict(_object(event["content_block"])))
            inputs.append("")
        elif kind == "content_block_delta":
            delta, block = _object(event["delta"]), blocks[-1]
            if delta["type"] == "text_delta":
                block["text"] = f"{block['text']}{delta['text']}"
            else:
                inputs[-1] += str(delta["partial_json"])
        elif kind == "content_block_stop" and blocks[-1]["type"] == "tool_use":
            blocks[-1]["input"] = json.loads(inputs[-1])
        elif kind == "message_delta":
            message |= _object(event["delta"])
            message["usage"] = {**_object(message["usage"]), **_object(event["usage"])}
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    return {**message, "content": blocks}


def content(message: Json) -> list[Json]:
    """The content blocks of a message."""
    blocks = message["content"]
    assert isinstance(blocks, list)
    return blocks


def _object(value: object) -> Json:
    assert isinstance(value, dict)
    return value
