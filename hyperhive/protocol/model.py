"""The words both sides use: names, roles, capabilities, states and their bounds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import Check, Text

PROTOCOL_VERSION = 1

MANAGER = "manager"
OPERATOR = "operator"
SYSTEM = "system"
EVERYONE = "*"
RESERVED_NAMES = frozenset({OPERATOR, SYSTEM, "host", "all"})

NAME_PATTERN = r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?"
_NAME = re.compile(NAME_PATTERN)
_NAME_PROBLEM = (
    "must be 1 to 20 of a-z, 0-9 and '-', beginning with a letter and not ending with '-'"
)

MAX_BODY = 64 * 1024
"""Bytes of a message body, a question or an answer."""

MAX_WAIT = 180
"""Seconds that one `recv` may wait."""

MAX_BATCH = 32
"""Messages that one `recv` or one wake may carry."""

MAX_QUESTION_TTL = 7 * 24 * 3600
"""Seconds that a question may stay open."""

Role = Literal["worker", "manager"]
Capability = Literal["manage", "propose"]
"""`propose`: changes of its own configuration."""
MessageKind = Literal["agent", "operator", "system"]
TurnResult = Literal["clean", "failed", "cancelled"]


def reserved_name_problem(name: str) -> str | None:
    """Why this name cannot be an agent's, or None."""
    return f"{name!r} is reserved; choose another name" if name in RESERVED_NAMES else None


def check_name(name: str, field: str = "name") -> str:
    """Return the agent name, or raise InvalidField.

    `fullmatch`, since `$` would accept a trailing newline.
    """
    if not _NAME.fullmatch(name):
        raise InvalidField(field, _NAME_PROBLEM)
    if problem := reserved_name_problem(name):
        raise InvalidField(field, problem)
    return name


AgentName = Annotated[
    str, Text(max=20, pattern=NAME_PATTERN, problem=_NAME_PROBLEM), Check(reserved_name_problem)
]
Recipient = Annotated[
    str,
    Text(
        max=20,
        pattern=rf"\*|{NAME_PATTERN}",
        problem="must be an agent's name, `operator`, or `*` for everyone",
    ),
]
Body = Annotated[str, Text(max_bytes=MAX_BODY)]
Key = Annotated[str, Text(max=100, pattern=r"[\x21-\x7e]+")]
TurnId = Annotated[str, Text(min=8, max=64, pattern=r"[a-z0-9-]+")]
InstanceId = Annotated[str, Text(min=8, max=64, pattern=r"[a-z0-9-]+")]
