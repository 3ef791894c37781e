"""Tokens of a request that was cut off before the model's servers had counted it."""

from __future__ import annotations

import json

from hyperhive.gateway.model_usage import CHARACTERS_PER_TOKEN

TOKENS_PER_FILE = 5_000
"""At most, for an image or a small document in base64."""


TOKENS_PER_SECOND = 200.0
"""More than a model writes."""


def output_tokens(body: bytes, seconds: float) -> int:
    """From above, of a whole message that nobody waited for: its counts would have come with it.

    A stream tells its counts before it writes, so that one without any wrote nothing.
    """
    request = json.loads(body)
    limit = request.get("max_tokens")
    if request.get("stream") is True or not isinstance(limit, int) or limit < 0:
        return 0
    return int(min(limit, seconds * TOKENS_PER_SECOND))


def input_tokens(body: bytes) -> int:
    """From above: an agent must not think for nothing by leaving before it was counted.

    `body` was found to be JSON before.
    """
    tokens, waiting = 0, [json.loads(body)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            tokens += len(value) // CHARACTERS_PER_TOKEN
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict) and value.get("type") == "base64":
            tokens += TOKENS_PER_FILE
        elif isinstance(value, dict):
            waiting += value.values()
    return tokens
