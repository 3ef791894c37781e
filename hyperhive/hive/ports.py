"""What the rules need from outside: a store and a runtime. Adapters provide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from hyperhive.hive.deploy_rows import DeployRows
from hyperhive.hive.mail_rows import MessageRows
from hyperhive.hive.records import Agent, Event
from hyperhive.hive.rows import (
    AgentRows,
    ApprovalRows,
    AuditRows,
    EventRows,
    KeyRows,
    LoginRows,
    MetaRows,
    OperationRows,
    QuestionRows,
    Retention,
    TurnRows,
    UsageRows,
)

T = TypeVar("T")


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
    def deploys(self) -> DeployRows: ...
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

    async def write(
        self,
        change: Callable[[Transaction], T],
        *,
        essential: bool = False,
        durable: bool = True,
    ) -> T:
        """Run `change` in a savepoint and return its result once it is durable.

        What it raises undoes only its own changes and is raised here. Never cancelled half-way.
        Raises StorageFull, StorageError or Busy when the commit fails.

        `essential` changes are still accepted on a full disk, from a reserve: what settles, stops,
        ends or deletes. They may run twice, the first run undone.

        One that is not `durable` outlives the process but perhaps not a power cut, and is there
        sooner. What is written after it is never kept without it.
        """

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run `query` on a snapshot; it must not write."""

    def subscribe(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` on the loop with each batch of durable events; returns a way to stop."""


# --- runtime ---


TerminalUser = Literal["agent", "root"]
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


@dataclass(frozen=True, slots=True)
class Usage:
    """What a running agent uses; None where the system does not tell."""

    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    tasks: int | None = None
    disk_bytes: int | None = None
    disk_quota: bool = False
    """Whether its disk limit is enforced."""


class Terminal(Protocol):
    """A shell on a pseudo-terminal (pty(7)). Owned by whoever opened it, who closes it."""

    async def read(self) -> bytes:
        """What the shell wrote, at most 64 KiB; empty at its end. Reads nothing ahead."""

    async def write(self, data: bytes) -> None:
        """Waits until the terminal has taken all of it. Raises Unavailable at its end."""

    async def over(self) -> None:
        """Returns at its end, also while nobody reads what was written before."""

    def resize(self, rows: int, columns: int) -> None: ...

    async def close(self) -> None:
        """Hangs up, and waits until its descriptor is gone. Repeatable."""


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

    async def usage(self, agent: str) -> Usage:
        """What it uses now; all None when it does not run."""

    async def open_terminal(
        self, agent: str, user: TerminalUser, rows: int, columns: int
    ) -> Terminal:
        """A new shell beside the running harness. Raises Unavailable within 10 s, also when the
        agent does not run, is frozen, or has no such user."""

    def peer_allowed(self, agent: str, uid: int) -> bool:
        """Whether a peer with this uid (SO_PEERCRED, unix(7)) can be the agent."""

    async def how_ended(self, agent: str, invocation: str) -> Ended:
        """How a run ended that does not run any more, as far as there is a trace of it."""

    def started_from(self, agent: str, invocation: str) -> str | None:
        """The bundle of this run, as whoever started it wrote down; None if it is not known."""

    def subscribe(self, listener: Callable[[Ended], None]) -> Callable[[], None]:
        """Call `listener` on the loop at every end; returns the way to stop.

        The first one hears at once of ends that nobody was there to hear of, perhaps once more.
        """


class AgentSockets(Protocol):
    """The gateway's side of an agent's life: its socket exists from spawn to destroy."""

    async def open(self, agent: Agent) -> None: ...

    async def close(self, agent: str) -> None: ...

    def push(self, agent: str, push: str, data: dict[str, Any] | None = None) -> bool:
        """Send a hint down the link; False when there is no link."""

    def linked(self) -> Iterable[str]:
        """Names of the agents whose link is up."""
