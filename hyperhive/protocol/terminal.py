"""What goes over a terminal's WebSocket: bytes in binary frames, and control frames in JSON.

Either side sends at most WINDOW bytes beyond those that the other has acknowledged. So a flood
waits at its source, and an acknowledgement never waits behind a flood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from hyperhive.protocol.schema import Items, Range

WINDOW = 256 * 1024
"""Bytes sent and not yet acknowledged, in each direction."""
MAX_FRAME = 64 * 1024
"""Bytes of one frame."""

ENDED = 1000
"""Close code (RFC 6455, 7.4): the shell has ended. The close reason says so, too."""
REFUSED = 4000
"""Close code: there is no terminal, or no longer; the close reason says why."""
MAX_REASON = 123
"""Bytes of a close reason (RFC 6455, 5.5)."""

SHELL_ENVIRONMENT = "shell-environment"
"""In the agent's state directory: exports in sh(1)'s language for its shells, by its harness."""

_Side = Annotated[int, Range(1, 1_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What is asked for, as the query of the address."""

    user: Literal["agent", "root"] = "agent"
    rows: _Side = 24
    columns: _Side = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """`ack`: so many more bytes were taken. `resize`: rows and columns of the window."""

    ack: Annotated[int, Range(1, WINDOW)] | None = None
    resize: Annotated[tuple[_Side, ...], Items(min=2, max=2)] | None = None


def reason(text: str) -> str:
    """As much of the text as a close frame can carry."""
    data = text.encode()
    cut = data if len(data) <= MAX_REASON else data[: MAX_REASON - 3] + "…".encode()
    return cut.decode(errors="ignore")
