"""From what a model or a person wrote to what goes to the host: checked, and filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import FILLED_IN_BY_HARNESS

SERVER_NAME = "hyperhive"
"""Of the MCP server, whose tools make these requests."""


class Caller(Protocol):
    """A way to the host."""

    def fill_in(self) -> Mapping[str, object]:
        """Arguments no model sees, fresh for each call; a verb takes those it knows."""

    async def call(self, verb: str, args: Mapping[str, object]) -> object:
        """Returns plain JSON data; raises HiveError. Repeats what got lost, under the same key."""


def complete(
    cls: type, arguments: Mapping[str, object], filled_in: Mapping[str, object]
) -> dict[str, object]:
    """The arguments of a verb, ready to be sent; raises InvalidField."""
    fields = {field.name for field in dataclasses.fields(cls)}
    visible = fields - FILLED_IN_BY_HARNESS
    for unknown in arguments.keys() - visible:
        known = ", ".join(sorted(visible)) or "none"
        raise InvalidField(str(unknown)[:80], f"is not known here; known are {known}")
    request = {**arguments, **{k: v for k, v in filled_in.items() if k in fields}}
    parse(cls, request)
    return request
