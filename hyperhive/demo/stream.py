"""A reply as the API's message object, and as its server-sent events."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from hyperhive.demo.player import Reply
from hyperhive.demo.usage import InputTokens, tokens

Json = dict[str, object]


@dataclass(frozen=True)
class Message:
    """A reply with its id, the model that was asked for, and what it costs."""

    id: str
    model: str
    content: tuple[Json, ...]
    stop_reason: str
    usage: InputTokens

    @property
    def output_tokens(self) -> int:
        return sum(tokens(block.get("text") or block.get("input") or "") for block in self.content)

    def to_json(self) -> Json:
        used = {**self.usage.to_json(), "output_tokens": self.output_tokens}
        return {**self._head(), "content": list(self.content), "usage": used} | self._stop()

    def events(self, chunk: int) -> Iterator[Json]:
        """The stream's events; texts and tool inputs come in pieces of `chunk` characters."""
        used = {**self.usage.to_json(), "output_tokens": 1}
        nothing: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": used}
        yield {"type": "message_start", "message": {**self._head(), **nothing}}
        yield {"type": "ping"}
        for index, block in enumerate(self.content):
            opened, deltas = _pieces(block, chunk)
            yield {"type": "content_block_start", "index": index, "content_block": opened}
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        used = {**self.usage.to_json(), "output_tokens": self.output_tokens}
        yield {"type": "message_delta", "delta": self._stop(), "usage": used}
        yield {"type": "message_stop"}

    def _head(self) -> Json:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.model}

    def _stop(self) -> Json:
        return {"stop_reason": self.stop_reason, "stop_sequence": None}


def message(reply: Reply, model: str, usage: InputTokens) -> Message:
    """Give the reply and its tool uses their ids."""
    texts: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
    uses: list[Json] = [
        {"type": "tool_use", "id": _id("toolu"), "name": use.name, "input": dict(use.input)}
        for use in reply.uses
    ]
    return Message(_id("msg"), model, (*texts, *uses), reply.stop_reason, usage)


def encode(event: Json) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2)."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:24]}"


def _pieces(block: Json, chunk: int) -> tuple[Json, Iterator[Json]]:
    """The block as it opens, empty, and the deltas that fill it."""
    if block["type"] == "text":
        parts = _cut(str(block["text"]), chunk)
        return {"type": "text", "text": ""}, ({"type": "text_delta", "text": p} for p in parts)
    parts = _cut(json.dumps(block["input"]), chunk)
    deltas: Iterator[Json] = ({"type": "input_json_delta", "partial_json": p} for p in parts)
    return {**block, "input": {}}, deltas


def _cut(text: str, chunk: int) -> Iterator[str]:
    return (text[start : start + chunk] for start in range(0, len(text), chunk))
