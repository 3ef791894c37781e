"""The part of the store port that keeps all but mail, table by table.

One method is one statement or two; the rules compose them in a transaction.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from hyperhive.hive.clock import Clock
from hyperhive.hive.records import (
    Agent,
    Approval,
    ApprovalKind,
    ApprovalState,
    AuditEntry,
    Budget,
    Deadline,
    Event,
    Operation,
    OperationKind,
    Question,
    Turn,
    Usage,
    Wanted,
)
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.model import Capability, Role


class AgentRows(Protocol):
    def add(
        self,
        name: str,
        role: Role,
        origin: Literal["declared", "spawned"],
        capabilities: tuple[Capability, ...],
        settings: AgentSettings,
        budget: Budget,
        wanted: Wanted,
        description: str,
        now: float,
    ) -> Agent: ...

    def get(self, agent_id: int) -> Agent | None: ...

    def by_name(self, name: str) -> Agent | None:
        """The agent that has the name now; purged ones no longer do."""

    def all(self) -> list[Agent]:
        """Every agent but purged ones, manager first, then by name."""

    def save(self, agent: Agent) -> None: ...


class KeyRows(Protocol):
    """Idempotency keys, each chosen by its sender."""

    def find(self, sender_id: int, key: str) -> tuple[bytes, Any] | None:
        """Digest of the first request under this key and the answer it got."""

    def add(self, sender_id: int, key: str, digest: bytes, answer: Any, now: float) -> None: ...


class TurnRows(Protocol):
    def add(self, turn: Turn) -> None: ...

    def get(self, turn_id: str) -> Turn | None: ...

    def save(self, turn: Turn) -> None: ...

    def open(self, agent_id: int | None = None) -> list[Turn]: ...

    def recent(self, agent_id: int, limit: int = 20) -> list[Turn]:
        """Newest first."""


class UsageRows(Protocol):
    def add(self, agent_id: int, turn_id: str | None, model: str, used: Usage, day: str) -> None:
        """Add to the sums of the agent's day (`YYYY-MM-DD`, UTC) and of the turn."""

    def day(self, agent_id: int, day: str) -> Usage: ...

    def turn(self, turn_id: str) -> Usage: ...


class QuestionRows(Protocol):
    def add(
        self,
        asker_id: int,
        asker: str,
        target_id: int,
        target: str,
        question: str,
        options: tuple[str, ...],
        multi: bool,
        deadline: Deadline | None,
        now: float,
    ) -> Question: ...

    def get(self, question_id: int) -> Question | None: ...

    def save(self, question: Question) -> None: ...

    def open(self, *, asker_id: int | None = None, target_id: int | None = None) -> list[Question]:
        """Open questions, oldest first, narrowed by whatever is given."""

    def recent(self, limit: int = 50) -> list[Question]:
        """Newest first, in any state."""


class ApprovalRows(Protocol):
    def add(
        self,
        kind: ApprovalKind,
        requester_id: int,
        requester: str,
        agent: str,
        agent_id: int | None,
        description: str,
        binding: dict[str, Any],
        now: float,
        state: ApprovalState = "pending",
    ) -> Approval:
        """A new one; it shares its numbers with the deploys."""

    def get(self, approval_id: int) -> Approval | None: ...

    def save(self, approval: Approval) -> None: ...

    def open(self, *, agent: str | None = None, requester_id: int | None = None) -> list[Approval]:
        """Checking and pending ones, oldest first."""

    def recent(self, limit: int = 50, requester_id: int | None = None) -> list[Approval]:
        """Newest first, in any state."""


class OperationRows(Protocol):
    def add(
        self,
        kind: OperationKind,
        agent_id: int,
        agent: str,
        actor: str,
        now: float,
        approval_id: int | None = None,
        invocation: str | None = None,
        purge: bool = False,
    ) -> Operation: ...

    def get(self, operation_id: int) -> Operation | None: ...

    def save(self, operation: Operation) -> None: ...

    def open(self, agent_id: int | None = None) -> list[Operation]:
        """Oldest first."""


class EventRows(Protocol):
    def append(self, kind: str, agent: str | None, data: dict[str, Any], now: float) -> int:
        """Number and store an event; it is published once the transaction is durable."""

    def after(self, seq: int, limit: int, agent: str | None = None) -> list[Event]: ...

    def last(self) -> int:
        """The newest number given out; 0 when there is none."""

    def floor(self) -> int:
        """The highest number that retention has removed: resuming at or above it has no gap."""

    def turn_log(self, agent: str, limit: int, before: int | None = None) -> list[Event]:
        """Events whose kind begins with `turn_`, newest first."""

    def crashes(self, agent: str, since: float) -> list[Event]:
        """The agent's `crash` events since this wall time, oldest first."""


class AuditRows(Protocol):
    def append(self, actor: str, action: str, subject: str, detail: str, now: float) -> None: ...

    def recent(self, limit: int = 100, before: int | None = None) -> list[AuditEntry]: ...

    def denied(self, agent: str, since: float, limit: int) -> list[AuditEntry]:
        """Connections that the agent was denied, since this wall time, newest first."""


class LoginRows(Protocol):
    """Operator logins; tokens and codes are kept as SHA-256 only."""

    def add(self, digest: bytes, kind: Literal["code", "session"], expires: Deadline) -> None: ...

    def take(self, digest: bytes, kind: Literal["code"], clock: Clock) -> bool:
        """Use up a code; False when it is unknown, used or expired."""

    def valid(self, digest: bytes, clock: Clock) -> bool:
        """Whether a session is known and not expired."""

    def remove(self, digest: bytes) -> None: ...

    def remove_expired(self, clock: Clock) -> None: ...


class MetaRows(Protocol):
    """Single values of the service itself."""

    def get(self, key: str) -> str | None: ...

    def set(self, key: str, value: str) -> None: ...


class Retention(Protocol):
    """Deletion in small steps, so that writers never wait for it."""

    def messages(self, older_than: float, keep: int, limit: int) -> int:
        """Delete settled messages, oldest first; returns how many went.

        Those acked before `older_than` (wall time), and those beyond the newest `keep`.
        """

    def events(self, older_than: float, turns_older_than: float, keep: int, limit: int) -> int: ...

    def keys(self, older_than: float, limit: int) -> int: ...
