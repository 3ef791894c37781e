"""What the rules need from outside: a store, a runtime, a clock. Adapters provide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from hyperhive.hive.records import (
    Agent,
    Approval,
    ApprovalKind,
    AuditEntry,
    Budget,
    Deadline,
    Delivery,
    DeliveryState,
    Event,
    Message,
    Operation,
    OperationKind,
    Question,
    Turn,
    Usage,
    Wanted,
)
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.model import Capability, MessageKind, Role

T = TypeVar("T")


class Clock(Protocol):
    """Time, injectable so that tests can step it."""

    @property
    def boot_id(self) -> str:
        """Identifies this boot of the host (random(4), /proc/sys/kernel/random/boot_id)."""

    def now(self) -> float:
        """Wall time, seconds since 1970."""

    def boottime(self) -> float:
        """Seconds since boot, including suspend (CLOCK_BOOTTIME, clock_gettime(2))."""


# --- store: one method is one statement or two; the rules compose them in a transaction ---


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


class MessageRows(Protocol):
    def add(
        self,
        sender_id: int,
        sender: str,
        kind: MessageKind,
        body: str,
        thread: int | None,
        in_reply_to: int | None,
        hops: int,
        expires: Deadline | None,
        now: float,
        coalesce: str = "",
    ) -> int:
        """Store a message and return its id; without `thread` it begins its own."""

    def get(self, message_id: int) -> Message | None: ...

    def concerns(self, message_id: int, agent_id: int) -> bool:
        """Whether the agent sent or received the message."""

    def deliver(
        self, message_id: int, recipient_id: int, recipient: str, state: DeliveryState = "accepted"
    ) -> int:
        """Add a recipient; returns the delivery's id."""

    def undelivered(self, recipient_id: int) -> int:
        """How many deliveries are accepted or leased; `system` mail is not counted."""

    def repeats(self, recipient_id: int, coalesce: str) -> list[int]:
        """Deliveries of `system` mail with this coalescing key, accepted and not yet leased."""

    def leasable(
        self, recipient_id: int, clock: Clock, limit: int, max_bytes: int
    ) -> list[Delivery]:
        """Accepted deliveries whose back-off and expiry allow it, oldest first.

        At most `limit`, and at most `max_bytes` of bodies, but always one if there is one.
        """

    def next_leasable(self, recipient_id: int) -> Deadline | None:
        """The earliest end of a back-off among the accepted deliveries, or None."""

    def lease(self, ids: Sequence[int], instance: str, turn: str | None) -> None: ...

    def leased(
        self, recipient_id: int | None = None, turn: str | None = None, instance: str | None = None
    ) -> list[Delivery]:
        """Leased deliveries, narrowed by whatever is given; oldest first."""

    def get_deliveries(self, ids: Sequence[int]) -> list[Delivery]: ...

    def settle(self, ids: Sequence[int], state: DeliveryState, outcome: str, now: float) -> None:
        """Leave the queue for good: acked, dead, expired or undeliverable."""

    def give_back(
        self, delivery_id: int, attempt: int, not_before: Deadline | None, outcome: str
    ) -> None:
        """Back to accepted, to be leased again as `attempt`, not before the back-off ends."""

    def expired(self, clock: Clock, limit: int) -> list[Delivery]:
        """Accepted deliveries whose message's deadline has passed."""

    def queued(self, recipient_id: int) -> list[int]:
        """Ids of all accepted and leased deliveries of a recipient, system mail included."""

    def recent(
        self, agent_id: int | None = None, *, limit: int = 50, before: int | None = None
    ) -> list[Delivery]:
        """Newest first; with `agent_id` only what this agent sent or received.

        `before` is a delivery id to page on. With OPERATOR_ID: the operator's own conversation.
        """

    def inbox(self, recipient_id: int, *, limit: int = 50) -> list[Delivery]:
        """Deliveries to one recipient, newest first."""

    def in_state(self, state: DeliveryState, limit: int = 100) -> list[Delivery]:
        """Newest first, e.g. the dead letters."""


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
    ) -> Approval:
        """A new approval, `pending`."""

    def get(self, approval_id: int) -> Approval | None: ...

    def save(self, approval: Approval) -> None: ...

    def open(self, *, agent: str | None = None, requester_id: int | None = None) -> list[Approval]:
        """Checking and pending ones, oldest first."""

    def recent(self, limit: int = 50) -> list[Approval]: ...


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


class Transaction(Protocol):
    """The rows of one transaction; valid only inside the function it is given to."""

    @property
    def agents(self) -> AgentRows: ...
    @property
    def keys(self) -> KeyRows: ...
    @property
    def messages(self) -> MessageRows: ...
    @property
    def turns(self) -> TurnRows: ...
    @property
    def usage(self) -> UsageRows: ...
    @property
    def questions(self) -> QuestionRows: ...
    @property
    def approvals(self) -> ApprovalRows: ...
    @property
    def operations(self) -> OperationRows: ...
    @property
    def events(self) -> EventRows: ...
    @property
    def audit(self) -> AuditRows: ...
    @property
    def logins(self) -> LoginRows: ...
    @property
    def meta(self) -> MetaRows: ...
    @property
    def retention(self) -> Retention: ...


class Store(Protocol):
    """Durable state. Functions run whole on the database's thread, off the loop."""

    async def write(self, change: Callable[[Transaction], T], *, essential: bool = False) -> T:
        """Run `change` in a savepoint and return its result once it is durable.

        What it raises undoes only its own changes and is raised here. Never cancelled half-way.
        Raises StorageFull, StorageError or Busy when the commit fails.

        `essential` changes are still accepted on a full disk, from a reserve: what settles, stops,
        ends or deletes. They may run twice, the first run undone.
        """

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run `query` on a snapshot; it must not write."""

    def subscribe(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` on the loop with each batch of durable events; returns the way to stop."""


# --- runtime ---


EndReason = Literal["clean", "crash", "oom", "killed", "start_timeout", "unknown"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of an agent; `id` differs between any two runs."""

    agent: str
    id: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over. `exit` is the code, or the negative signal number; None when not known."""

    invocation: Invocation
    reason: EndReason
    exit: int | None


class Runtime(Protocol):
    """Runs agents. Every call is bounded in time and raises Unavailable when it cannot act."""

    @property
    def kind(self) -> str:
        """`nspawn` or `local`."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator has to know about the isolation; shown at start and on every page."""

    async def running(self) -> dict[str, Invocation]:
        """What runs now, read afresh."""

    async def start(self, agent: Agent) -> Invocation:
        """Start, or return the invocation that runs already."""

    async def stop(self, agent: str, invocation: str | None = None) -> None:
        """Stop and wait for the end; with `invocation` only that one. Not running is fine."""

    async def purge(self, agent: str) -> None:
        """Delete state, home and workspace for good. Repeatable. Refuses while it runs."""

    async def logs(self, agent: str, lines: int) -> Sequence[str]:
        """The last lines of the agent's log, oldest first; text of the agent, not trusted."""

    def peer_allowed(self, agent: str, uid: int) -> bool:
        """Whether a peer with this uid (SO_PEERCRED, unix(7)) can be the agent."""

    def subscribe(self, listener: Callable[[Ended], None]) -> Callable[[], None]:
        """Call `listener` on the loop at every end; returns the way to stop."""


class AgentSockets(Protocol):
    """The gateway's side of an agent's life: its socket exists from spawn to destroy."""

    async def open(self, agent: Agent) -> None: ...

    async def close(self, agent: str) -> None: ...

    def push(self, agent: str, push: str, data: dict[str, Any] | None = None) -> bool:
        """Send a hint down the link; False when there is no link."""

    def linked(self) -> Iterable[str]:
        """Names of the agents whose link is up."""
