"""What a turn of Claude Code reports and how it ends: plain data, light to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hyperhive.protocol.verbs import TurnEvent

Report = Callable[[TurnEvent], None]
"""Called with each event of a turn, in order; must return at once."""

Status = Literal["completed", "interrupted", "overflow", "api_error", "failed"]

MAX_EVENT_BYTES = 8_192  # the limit of TurnEvent.text


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOutcome:
    """How a turn ended. Only `completed` is clean.

    `overflow` says that the conversation no longer fits the model's window, also after Claude Code
    compacted it by itself; `api_error` that the API refused or is away (`api_status` is its HTTP
    status, if it answered). What it cost, only the host knows: here is what Claude Code saw.
    """

    status: Status
    text: str = ""
    """The model's last words, or what went wrong."""
    session_id: str = ""
    api_status: int | None = None
    input_tokens: int = 0
    """Without what was read from or written to the prompt cache."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    context_tokens: int = 0
    """What the last request and its answer held; the next one starts from there."""
    context_window: int = 0
    """Tokens the model can take; 0 if unknown."""
    seconds: float = 0.0
    lost_session: bool = False
    """The remembered session was gone: this turn began a new one that knows nothing of before."""

    @property
    def clean(self) -> bool:
        return self.status == "completed"


class SessionError(Exception):
    """Claude Code itself failed. The session stays remembered: the next turn resumes it."""


class ClaudeUnavailable(SessionError):
    """It could not be started, or did not come up."""


class SessionGone(SessionError):
    """There is no session of that id to resume. Session deals with it: a new one begins."""


class ClaudeDied(SessionError):
    """It ended in the middle of a turn."""


class ClaudeSilent(SessionError):
    """It did not react in time and was killed."""


def bounded(text: str, limit: int = MAX_EVENT_BYTES) -> str:
    """`text` in at most `limit` bytes of UTF-8; a cut is marked, lone surrogates become `?`."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    note = f"\n[{len(data)} bytes in all]"
    return data[: limit - len(note)].decode("utf-8", "ignore") + note


def notice(text: str) -> TurnEvent:
    """What the harness itself has to say of a turn."""
    return TurnEvent(kind="notice", text=bounded(text))
