"""What the host answers on the link where the harness itself reads it, not the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from hyperhive.protocol.bundle import ModelName
from hyperhive.protocol.model import Role, TurnId
from hyperhive.protocol.schema import Items, Range, Text

Json = Annotated[dict[Annotated[str, Text(max=100)], object], Items(max=1_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The answer to hello.

    `turn` is the turn that hello named if it is still open on the host, so that the harness goes
    on with it; `settings` is `agent.json` and is also what the push `settings` carries.
    """

    type: Literal["welcome"] = "welcome"
    agent: Annotated[str, Text(max=20)]
    role: Role
    capabilities: Annotated[tuple[Annotated[str, Text(max=40)], ...], Items(max=20)] = ()
    settings: Json
    settings_version: Annotated[int, Range(0, 2**53 - 1)]
    heartbeat_seconds: Annotated[float, Range(0.05, 60)]
    turn: TurnId | None = None
    credential_kind: Literal["api_key", "oauth_token"] = "api_key"
    """Of the real credential on the host: Claude Code asks in another way for each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStart:
    """The answer to `turn_begin`; without messages no turn has begun.

    Each message is a JSON object {id, from, kind, attempt, thread, in_reply_to, sent_at, body}.
    """

    messages: Annotated[tuple[Json, ...], Items(max=32)]
    model: ModelName | None = None
    fallback_model: ModelName | None = None
    retry_after: Annotated[float | None, Range(0, 86_400)] = None
    """Seconds after which it is worth asking again although no mail arrives: a back-off or hold."""
