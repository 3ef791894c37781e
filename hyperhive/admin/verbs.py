"""What can be asked over `admin.sock`: the arguments of every verb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hyperhive.protocol.bundle import ModelName
from hyperhive.protocol.model import MAX_BATCH, MAX_BODY, MAX_WAIT, AgentName, Body, Key, Recipient
from hyperhive.protocol.schema import Items, Range, Text
from hyperhive.protocol.verbs import CommitRef, Id, Options, Reason, Ttl

_Limit = Annotated[int, Range(1, 1_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """No arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    name: AgentName


@dataclass(frozen=True, slots=True, kw_only=True)
class ById:
    id: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`all` includes what is settled; otherwise only what is open."""

    all: bool = False
    limit: _Limit = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploys:
    """Of one agent, or of all."""

    agent: AgentName | None = None
    limit: _Limit = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployLog:
    """From this byte on."""

    id: Id
    offset: Annotated[int, Range(0, 2**40)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Of a request or a deploy; `whole` leaves nothing out."""

    id: Id
    base: Annotated[str, Text(max=20)] = "running"
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Without a name all that are out of date."""

    name: AgentName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Without `to` to what ran before."""

    name: AgentName
    to: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """With `module`, its `agent.nix`, not of the defaults alone; a repeat needs the same `key`."""

    name: AgentName
    description: Annotated[str, Text(min=0, max=2_000)] = ""
    module: Annotated[str, Text(min=0, max_bytes=MAX_BODY)] | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroy:
    name: AgentName
    purge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetModel:
    """Without `model` the override is taken back."""

    name: AgentName
    model: ModelName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    to: AgentName
    question: Body
    options: Options = ()
    multi: bool = False
    ttl_seconds: Ttl | None = None
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    id: Id
    answer: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """With `commit` only if it is about the one whose id begins so."""

    id: Id
    note: Reason = ""
    commit: CommitRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    id: Id
    reason: Reason = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    name: AgentName
    lines: _Limit = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """The operator's mail, newest first."""

    limit: _Limit = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead:
    """Deliveries of the operator's mail that were shown."""

    deliveries: Annotated[tuple[Id, ...], Items(max=1_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """The message flow, newest first; `before` is a delivery id to page on."""

    agent: AgentName | None = None
    limit: _Limit = 50
    before: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    limit: _Limit = 100
    before: Id | None = None


_Instance = Annotated[str, Text(min=8, max=64, pattern=r"[a-z0-9-]+")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSend:
    """Send as an agent, bypassing its socket."""

    sender: AgentName
    to: Recipient
    body: Body
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugRecv:
    """Lease an agent's mail as some instance."""

    name: AgentName
    instance: _Instance = "debug-instance"
    max: Annotated[int, Range(1, MAX_BATCH)] = 1
    wait_seconds: Annotated[float, Range(0, MAX_WAIT)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugAck:
    name: AgentName
    instance: _Instance = "debug-instance"
    deliveries: Annotated[tuple[Id, ...], Items(min=1, max=MAX_BATCH)]
