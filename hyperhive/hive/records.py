"""What the store keeps, as frozen rows that the rules read and replace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from hyperhive.hive.deploy_rows import Declared
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.model import Capability, MessageKind, Role

OPERATOR_ID = 0
"""Row id that stands for the operator wherever an agent's row id is expected."""
SYSTEM_ID = -1
"""Row id that stands for hyperhive itself as a sender."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment that neither a clock step nor a reboot moves: wall time, and boot time of one boot.

    `wall` is seconds since 1970 (CLOCK_REALTIME), `boottime` seconds of CLOCK_BOOTTIME in boot
    `boot_id`. In the same boot only `boottime` counts, in another one only `wall`.
    """

    wall: float
    boot_id: str
    boottime: float


@dataclass(frozen=True, slots=True)
class Budget:
    """Ceilings of one agent in US dollars and tokens; None is no ceiling."""

    usd_per_day: float | None = None
    usd_per_turn: float | None = None
    tokens_per_day: int | None = None


AgentState = Literal["present", "tombstone", "purging", "purged"]
Wanted = Literal["running", "stopped"]
HoldReason = Literal["rate_limited", "overloaded", "unreachable", "credential", "budget"]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no turn starts now. Without `until` it lasts until somebody lifts it."""

    reason: HoldReason
    until: Deadline | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How its last run ended; `exit` is the code, or the negative signal number, if known."""

    reason: str
    exit: int | None
    at: float
    unexpected: bool
    invocation: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent for good: a name may be used again, an `id` never is."""

    id: int
    name: str
    role: Role
    origin: Literal["declared", "spawned"]
    capabilities: tuple[Capability, ...]
    settings: AgentSettings
    settings_version: int
    budget: Budget
    wanted: Wanted
    state: AgentState
    created_at: float
    description: str = ""
    model_override: str | None = None
    hold: Hold | None = None
    quarantined: str | None = None
    """Why it is no longer restarted, or None."""
    retired_by: str | None = None
    """Who destroyed it: `operator` or `configuration`; None while it is present."""
    last_end: RunEnd | None = None
    run: str = ""
    """Invocation of the run that was seen last; over if `last_end` says so."""
    problem: str = ""
    """What was told of a run that is not fit; empty again once one is."""
    crashes_from: int = 0
    """Crashes up to the event of this number do not count."""
    bundle: str | None = None
    deploy: int | None = None
    """What the next start is from, and the deploy that it is of, where agents are built."""
    declared: Declared = field(default_factory=Declared)
    """How far it follows its declaration, where agents are built."""


DeliveryState = Literal["accepted", "leased", "acked", "dead", "expired", "undeliverable"]


@dataclass(frozen=True, slots=True)
class Message:
    """`sender` is set by the broker, never taken from a body."""

    id: int
    sender_id: int
    sender: str
    kind: MessageKind
    body: str
    thread: int
    """Id of the message that began the conversation."""
    in_reply_to: int | None
    hops: int
    """How many replies between agents led here."""
    sent_at: float
    expires: Deadline | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way to one recipient."""

    id: int
    message: Message
    recipient_id: int
    recipient: str
    state: DeliveryState
    attempt: int
    """1 on the first lease; rises only when a turn failed or its instance died."""
    outcome: str = ""
    instance: str | None = None
    turn: str | None = None
    settled_at: float | None = None


TurnState = Literal["open", "clean", "failed", "cancelled", "deferred", "lost"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as counted by the model's servers; money in millionths of a US dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    micro_usd: int = 0
    requests: int = 0

    @property
    def tokens(self) -> int:
        cached = self.cache_read_tokens + self.cache_write_tokens
        return self.input_tokens + self.output_tokens + cached

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.micro_usd + other.micro_usd,
            self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """One wake of one agent: what it was given is acknowledged together when it ends clean.

    `deferred` gave its messages back unchanged; `lost` ended with its instance.
    """

    id: str
    agent_id: int
    instance: str
    state: TurnState
    models: tuple[str, ...]
    """Full model ids in force when it began: the gateway accepts them until it ends."""
    began_at: float
    ended_at: float | None = None
    error: str = ""
    session: str = ""
    last_event: int = 0
    """Number of the last turn event stored."""
    usage: Usage = Usage()


QuestionState = Literal["open", "answered", "expired", "cancelled", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Question:
    """`asker_id` and `target_id` are agents' row ids, or OPERATOR_ID."""

    id: int
    asker_id: int
    asker: str
    target_id: int
    target: str
    question: str
    options: tuple[str, ...]
    multi: bool
    state: QuestionState
    asked_at: float
    deadline: Deadline | None = None
    answer: str = ""
    answerer: str = ""
    resolved_at: float | None = None


ApprovalKind = Literal["spawn", "apply_commit", "destroy"]
ApprovalState = Literal[
    "checking",
    "pending",
    "approved",
    "running",
    "done",
    "failed",
    "rolled_back",
    "denied",
    "superseded",
    "expired",
    "stale_base",
]
OPEN_APPROVALS: tuple[ApprovalState, ...] = ("checking", "pending")


@dataclass(frozen=True, slots=True)
class Approval:
    """A request that waits for the operator; `binding` is what exactly would be done."""

    id: int
    kind: ApprovalKind
    state: ApprovalState
    requester_id: int
    requester: str
    agent: str
    agent_id: int | None
    """Row id of the agent it concerns; None while it does not exist."""
    description: str
    binding: dict[str, Any]
    requested_at: float
    note: str = ""
    resolved_by: str = ""
    resolved_at: float | None = None


OperationKind = Literal["spawn", "start", "stop", "restart", "destroy"]
OperationState = Literal["open", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A lifecycle operation: its row is written before the act, its end after it.

    `invocation` is the one that a restart is to stop, written before it does: a newer one is left
    alone. None before that, empty when nothing ran.
    """

    id: int
    kind: OperationKind
    agent_id: int
    agent: str
    state: OperationState
    actor: str
    begun_at: float
    approval_id: int | None = None
    invocation: str | None = None
    purge: bool = False
    error: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the event log from which every live view resumes."""

    seq: int
    at: float
    kind: str
    agent: str | None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who decided what. Never edited, never pruned."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: str
