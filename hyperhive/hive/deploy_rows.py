"""Deploys as the store keeps them: one commit of one agent on its way to what runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from hyperhive.hive.change_rows import Closure
from hyperhive.protocol.bundle import AgentSettings

DeployKind = Literal["declare", "change", "update", "rollback"]
"""`declare`: as the host's configuration says. `update`: the same commit against another host."""
DeployState = Literal[
    "queued",
    "evaluating",
    "building",
    "starting",
    "done",
    "failed",
    "rolled_back",
    "cancelled",
]
OPEN_DEPLOYS: tuple[DeployState, ...] = ("queued", "evaluating", "building", "starting")


@dataclass(frozen=True, slots=True)
class Declared:
    """SHA-256 of each declared file by path: as it came up last, and as it was offered last.

    `commit` is what it was offered as, whether that was deployed, refused or failed.
    """

    taken: dict[str, str] = field(default_factory=dict)
    offered: dict[str, str] = field(default_factory=dict)
    commit: str = ""

    def anew(self) -> Declared:
        """What has not come up is to be offered once more."""
        return replace(self, offered=self.taken)


@dataclass(frozen=True, slots=True)
class Built:
    """What a commit amounts to on this host; `bundle` is empty until it is built.

    `host` names what it was evaluated against, `drv` the derivation that is built and nothing
    else, `system` what the container boots.
    """

    host: str
    drv: str
    system: str
    settings: AgentSettings
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proposal would come to."""

    built: Built
    warnings: tuple[str, ...] = ()
    closure: Closure | None = None
    """None where Nix does not tell."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """`previous` is the deploy whose place it takes, and which is put back when it fails."""

    id: int
    kind: DeployKind
    state: DeployState
    agent_id: int
    agent: str
    commit: str
    """Full id in the agent's applied repository."""
    actor: str
    queued_at: float
    approval_id: int | None = None
    built: Built | None = None
    previous: int | None = None
    operation_id: int | None = None
    """The start or restart by which it is tried."""
    error: str = ""
    begun_at: float | None = None
    ended_at: float | None = None


class DeployRows(Protocol):
    def add(
        self,
        kind: DeployKind,
        agent_id: int,
        agent: str,
        commit: str,
        actor: str,
        now: float,
        approval_id: int | None = None,
        built: Built | None = None,
    ) -> Deploy:
        """A new one, `queued`. It has the number of its approval, else the next of both."""

    def get(self, deploy_id: int) -> Deploy | None: ...

    def save(self, deploy: Deploy) -> None: ...

    def open(self, agent_id: int | None = None) -> list[Deploy]:
        """Not over yet, oldest first."""

    def recent(self, agent_id: int | None = None, limit: int = 50) -> list[Deploy]:
        """In any state, newest first."""
