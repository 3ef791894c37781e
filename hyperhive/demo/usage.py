"""Plausible token counts: from the lengths of texts, with what a prompt cache would hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperhive.demo.conversation import dicts

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class InputTokens:
    """Tokens of a request, by what the API charges for them."""

    fresh: int
    cache_write: int = 0
    cache_read: int = 0

    @property
    def total(self) -> int:
        return self.fresh + self.cache_write + self.cache_read

    def to_json(self) -> dict[str, object]:
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.cache_write,
            "cache_read_input_tokens": self.cache_read,
        }


def tokens(value: object) -> int:
    """Tokens of a text, or of a JSON value written out."""
    text = value if isinstance(value, str) else json.dumps(value)
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def input_tokens(body: Mapping[str, object]) -> InputTokens:
    """What the request costs; where it marks no cache, all of it is fresh.

    The cache is taken to hold what the request before this one ended with: everything up to the
    last reply of the assistant.
    """
    messages = dicts(body.get("messages"))
    fixed = tokens([body.get("system"), body.get("tools")])
    if '"cache_control"' not in json.dumps(body):
        return InputTokens(fixed + tokens(messages))
    last = _last_reply(messages)
    if last is None:
        return InputTokens(tokens(messages[-1:]), fixed + tokens(messages[:-1]))
    return InputTokens(3, tokens(messages[last:]), fixed + tokens(messages[:last]))


def _last_reply(messages: Sequence[Mapping[str, object]]) -> int | None:
    replies = (i for i, message in enumerate(messages) if message.get("role") == "assistant")
    return max(replies, default=None)
