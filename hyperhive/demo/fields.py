"""The kinds of values that a scenario's fields take, with their bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from hyperhive.protocol import wire
from hyperhive.protocol.schema import Check, Items, Range, Text

FLAGS = re.IGNORECASE | re.DOTALL
"""How every pattern of a scenario is read: people write `Help`, and bodies have several lines."""


def _pattern_problem(pattern: str) -> str | None:
    try:
        re.compile(pattern, FLAGS)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    return None


def _json_problem(value: object) -> str | None:
    try:
        wire.dumps(value).encode()
    except (TypeError, ValueError) as error:
        return f"must be JSON values only: {error}"
    return None


Pattern = Annotated[str, Text(max=500), Check(_pattern_problem)]
Patterns = Annotated[Mapping[Annotated[str, Text(max=100)], Pattern], Items(max=20)]
Phrase = Annotated[str, Text(max=500)]
Said = Annotated[str, Text(max_bytes=16 * 1024)]
ToolName = Annotated[str, Text(max=100, pattern=r"[A-Za-z0-9_.-]+")]
Input = Annotated[
    Mapping[Annotated[str, Text(max=100)], object], Items(max=50), Check(_json_problem)
]
Milliseconds = Annotated[int, Range(0, 600_000)]
