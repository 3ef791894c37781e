"""Every verb an agent may call: its arguments, who may call it, and what it is for.

The same table checks requests on the host, answers `POST /v1/<verb>`, and describes the MCP tools.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from hyperhive.protocol.model import (
    MAX_BATCH,
    MAX_BODY,
    MAX_QUESTION_TTL,
    MAX_WAIT,
    AgentName,
    Body,
    Capability,
    InstanceId,
    Key,
    Recipient,
    TurnId,
    TurnResult,
)
from hyperhive.protocol.schema import Doc, Items, Range, Text

Id = Annotated[int, Range(1, 2**53 - 1)]
Reason = Annotated[str, Text(min=0, max_bytes=4_096)]
Options = Annotated[
    tuple[Annotated[str, Text(max=200)], ...],
    Items(max=20),
    Doc("Suggested answers. Free text stays possible."),
]
CommitRef = Annotated[
    str, Text(min=4, max=64, pattern=r"[0-9a-f]+", problem="must be hexadecimal: the commit's id")
]
Ttl = Annotated[
    int, Range(1, MAX_QUESTION_TTL), Doc("Seconds after which the question expires unanswered.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a message. It is stored durably before this returns."""

    to: Annotated[Recipient, Doc("An agent's name, `operator`, or `*` for every agent.")]
    body: Annotated[Body, Doc(f"The text, at most {MAX_BODY // 1024} KiB.")]
    in_reply_to: Annotated[Id | None, Doc("Id of the message this answers.")] = None
    ttl_seconds: Annotated[
        int | None, Range(1, 30 * 24 * 3600), Doc("Drop it undelivered after this many seconds.")
    ] = None
    key: Key
    """Idempotency key chosen by the sender: the same key and arguments give the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recv:
    """Take waiting messages. Returns at once unless wait_seconds is given."""

    wait_seconds: Annotated[
        float, Range(0, MAX_WAIT), Doc("Wait this long for a message to arrive.")
    ] = 0
    max: Annotated[int, Range(1, MAX_BATCH), Doc("At most this many messages.")] = 1
    turn: TurnId | None = None
    """The turn in which the messages are handled: they are acknowledged when it ends."""
    instance: InstanceId | None = None
    """For clients without turns: who holds the leases (60 s, prolonged by every call)."""
    ack: Annotated[tuple[Id, ...], Items(max=MAX_BATCH)] = ()
    """For clients without turns: deliveries handled since the last call."""
    key: Key | None = None
    """Sent again with the same key it gives the same messages: a lost answer loses no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask a question. Returns its id at once; the answer arrives later as a message."""

    question: Annotated[Body, Doc("The question, as plain text.")]
    options: Options = ()
    multi: Annotated[bool, Doc("Whether several options may be chosen.")] = False
    ttl_seconds: Ttl | None = None
    to: Annotated[Recipient, Doc("Who is asked: `operator`, or an agent's name.")] = "operator"
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOperator:
    """Ask the operator a question. Returns its id at once; the answer arrives as a message."""

    question: Annotated[Body, Doc("The question, as plain text.")]
    options: Options = ()
    multi: Annotated[bool, Doc("Whether several options may be chosen.")] = False
    ttl_seconds: Ttl | None = None
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer a question that another agent asked you."""

    id: Annotated[Id, Doc("Id of the question.")]
    answer: Annotated[Body, Doc("The answer, as plain text.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Withdraw a question you asked and that is still open."""

    id: Annotated[Id, Doc("Id of the question.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whoami:
    """Who you are: name, role, capabilities, model and what you may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenThreads:
    """Questions you asked or owe an answer to, and your requests that are still open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAgents:
    """Every agent with its role, description and state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSpawn:
    """Ask the operator to approve a new agent. The outcome arrives as a message."""

    name: Annotated[AgentName, Doc("Name of the new agent: a-z, 0-9 and '-', at most 20.")]
    description: Annotated[
        str, Text(min=0, max=2_000), Doc("What it is for; shown to the operator.")
    ] = ""
    module: Annotated[
        str | None,
        Text(max_bytes=MAX_BODY),
        Doc("Its `agent.nix`, a NixOS module, to begin with; without one it has the defaults."),
    ] = None
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestApplyCommit:
    """Ask the operator to run an agent from another commit of its configuration.

    Commit in the clone of it first. The outcome arrives as a message.
    """

    agent: Annotated[AgentName, Doc("Whose configuration.")]
    commit_ref: Annotated[
        CommitRef, Doc("Id of the commit, in full or its first digits. It must contain what runs.")
    ]
    description: Annotated[
        str, Text(min=0, max=2_000), Doc("What changes and why; shown to the operator.")
    ] = ""
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDestroy:
    """Ask the operator to approve removing an agent. Its files stay unless purge is set."""

    agent: Annotated[AgentName, Doc("Which agent.")]
    purge: Annotated[bool, Doc("Also delete its state, home and workspace for good.")] = False
    reason: Annotated[Reason, Doc("Why; shown to the operator.")] = ""
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start an agent that is stopped."""

    agent: Annotated[AgentName, Doc("Which agent.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Stop an agent. Its files and mail are kept; start it again with `start`."""

    agent: Annotated[AgentName, Doc("Which agent.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Stop an agent and start it again."""

    agent: Annotated[AgentName, Doc("Which agent.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Build an agent against the hyperhive and Nixpkgs of now, and restart it from that."""

    agent: Annotated[AgentName, Doc("Which agent.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLogs:
    """The last lines of an agent's log."""

    agent: Annotated[AgentName, Doc("Which agent.")]
    lines: Annotated[int, Range(1, 1_000), Doc("How many lines.")] = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBegin:
    """Lease waiting mail for a new turn. Sent again with the same id it gives the same answer."""

    turn: TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent:
    """One line of the turn log, as reported by the agent."""

    kind: Literal["text", "tool_use", "tool_refused", "tool_result", "notice"]
    text: Annotated[str, Text(min=0, max_bytes=8_192)] = ""
    tool: Annotated[str, Text(min=0, max=200)] = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvents:
    """Turn events in order; `first` numbers the first one, so that a repeat is harmless."""

    turn: TurnId
    first: Annotated[int, Range(1, 1_000_000)]
    events: Annotated[tuple[TurnEvent, ...], Items(min=1, max=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd:
    """The turn is over: `clean` when a result arrived and it is not an error."""

    turn: TurnId
    result: TurnResult
    error: Annotated[str, Text(min=0, max_bytes=4_096)] = ""
    session: Annotated[str, Text(min=0, max=100)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """What the harness found when it tried its own parts; nothing is leased before it is ok."""

    ok: bool
    problem: Annotated[str, Text(min=0, max_bytes=4_096)] = ""
    settings_version: Annotated[int, Range(0, 2**53 - 1)] = 0
    """Of the settings that it has in force."""


@dataclass(frozen=True)
class Verb:
    """A verb: the dataclass of its arguments, and what capabilities allow it; none: all may.

    `link_only` verbs belong to the turn loop and are not served by POST nor as tools.
    """

    arguments: type
    capabilities: tuple[Capability, ...] = ()
    link_only: bool = False


VERBS: dict[str, Verb] = {
    "send": Verb(Send),
    "recv": Verb(Recv),
    "ask": Verb(Ask),
    "answer": Verb(Answer),
    "cancel": Verb(Cancel),
    "whoami": Verb(Whoami),
    "open_threads": Verb(OpenThreads),
    "ask_operator": Verb(AskOperator, ("manage",)),
    "list_agents": Verb(ListAgents, ("manage",)),
    "request_spawn": Verb(RequestSpawn, ("manage",)),
    "request_apply_commit": Verb(RequestApplyCommit, ("manage", "propose")),
    "request_destroy": Verb(RequestDestroy, ("manage",)),
    "start": Verb(Start, ("manage",)),
    "kill": Verb(Kill, ("manage",)),
    "restart": Verb(Restart, ("manage",)),
    "update": Verb(Update, ("manage",)),
    "get_logs": Verb(GetLogs, ("manage",)),
    "turn_begin": Verb(TurnBegin, link_only=True),
    "turn_events": Verb(TurnEvents, link_only=True),
    "turn_end": Verb(TurnEnd, link_only=True),
    "self_check": Verb(SelfCheck, link_only=True),
}


def may_propose(capabilities: Collection[str]) -> bool:
    """Whether an agent with these may propose any configuration at all."""
    return bool(set(VERBS["request_apply_commit"].capabilities) & set(capabilities))


FILLED_IN_BY_HARNESS = frozenset({"key", "turn", "instance", "ack"})
"""Arguments that no model sees: the harness adds them to a tool call."""
