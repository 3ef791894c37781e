"""The frames of `/v1/link`, the one WebSocket between a harness and the host.

up    hello      first frame; newest hello of an agent wins, an older link is closed with 4001
up    request    {id, verb, args}; answered by `response` with the same id, in any order
up    heartbeat  every `heartbeat_seconds`; prolongs the leases of the running turn
down  welcome    the answer to hello
down  response   {id, ok, result | error}
down  push       {push, data}: mail, settings, cancel, new_session; hints, never the only copy
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from hyperhive.protocol.model import InstanceId, TurnId
from hyperhive.protocol.schema import Items, Range, Text

HEARTBEAT_SECONDS = 15.0
LEASE_SECONDS = 60.0
"""A lease ends this long after the last heartbeat, or after the service is ready again."""

SUPERSEDED = 4001
"""WebSocket close code: a newer link of the same agent took over."""
INVALID = 4002
"""WebSocket close code: the hello, or a later frame, was not acceptable."""

Push = Literal["mail", "settings", "cancel", "new_session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """`instance` is new with each harness process; `turn` is the one it is in, to re-adopt it."""

    type: Literal["hello"] = "hello"
    protocol: Annotated[int, Range(1, 1_000)]
    instance: InstanceId
    turn: TurnId | None = None
    version: Annotated[str, Text(min=0, max=100)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    type: Literal["request"] = "request"
    id: Annotated[int, Range(1, 2**53 - 1)]
    verb: Annotated[str, Text(max=40)]
    args: Annotated[dict[Annotated[str, Text(max=100)], object], Items(max=50)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    type: Literal["heartbeat"] = "heartbeat"
