"""What a request or a deploy is held against: commits to compare with, and settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hyperhive.hive.deploy_orders import running_deploy
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import OPEN_APPROVALS, Agent, Approval
from hyperhive.protocol.bundle import AgentSettings, parse_settings
from hyperhive.protocol.errors import InvalidField

_LOOKED_AT = 1_000
"""Rows, of requests and of deploys."""

Which = Literal["running", "approved", "previous"]


@dataclass(frozen=True, slots=True)
class Base:
    """A commit to compare with; None is nothing at all."""

    which: Which
    commit: str | None
    label: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`after` is None while nobody knows what it comes to, `before` where nothing runs."""

    agent: str
    commit: str | None
    bases: tuple[Base, ...]
    """What runs is the first."""
    before: AgentSettings | None
    after: AgentSettings | None

    @property
    def choices(self) -> tuple[Base, ...]:
        """Those that differ from each other, and from what is shown."""
        found = {base.commit: base for base in reversed(self.bases) if base.commit != self.commit}
        return tuple(base for base in self.bases if found.get(base.commit) is base)


def of_approval(tx: Transaction, approval: Approval) -> Comparison:
    """With what runs now, or what did when it was asked for or deployed."""
    binding, deploy = approval.binding, deploy_of(tx, approval)
    agent = tx.agents.get(approval.agent_id) if approval.agent_id is not None else None
    if deploy is not None:
        running, before = _before(tx, deploy)
    elif "commit" in binding and approval.state not in OPEN_APPROVALS:
        running, before = _then(tx, approval)
    else:
        running, before = _running(tx, agent)
    return Comparison(
        agent=approval.agent,
        commit=binding.get("commit"),
        bases=(running, *_earlier(tx, approval)) if "commit" in binding else (running,),
        before=before,
        after=_settings(binding.get("settings")),
    )


def deploy_of(tx: Transaction, approval: Approval) -> Deploy | None:
    """The deploy that it has become, if it has."""
    deploy = tx.deploys.get(approval.id)
    return deploy if deploy is not None and deploy.approval_id == approval.id else None


def _settings(data: object) -> AgentSettings | None:
    """None before it is checked, and of what an earlier hyperhive knew and this one does not."""
    try:
        return None if data is None else parse_settings(data)
    except InvalidField:
        return None


def of_deploy(tx: Transaction, deploy: Deploy) -> Comparison:
    """With what it took, or would take, the place of."""
    base, before = _before(tx, deploy)
    after = deploy.built.settings if deploy.built else None
    return Comparison(deploy.agent, deploy.commit, (base,), before, after)


def _running(tx: Transaction, agent: Agent | None) -> tuple[Base, AgentSettings | None]:
    running = running_deploy(tx, agent) if agent else None
    if running is None:
        return Base("running", None, "nothing: it is new"), None
    settings = running.built.settings if running.built else None
    return Base("running", running.commit, "what runs now"), settings


def _before(tx: Transaction, deploy: Deploy) -> tuple[Base, AgentSettings | None]:
    """What ran when the deploy was tried; what came up last before it where it was not."""
    earlier = tx.deploys.get(deploy.previous) if deploy.previous is not None else None
    for row in tx.deploys.recent(deploy.agent_id, _LOOKED_AT) if earlier is None else ():
        if row.id < deploy.id and row.state == "done":
            earlier = row
            break
    if earlier is None:
        return Base("running", None, "nothing: it was new"), None
    settings = earlier.built.settings if earlier.built else None
    return Base("running", earlier.commit, f"what ran before, deploy {earlier.id}"), settings


def _then(tx: Transaction, approval: Approval) -> tuple[Base, AgentSettings | None]:
    """What a request that came to nothing was made to take the place of."""
    commit = approval.binding["base"]
    if commit is None or approval.agent_id is None:
        return Base("running", None, "nothing: it was new"), None
    for row in tx.deploys.recent(approval.agent_id, _LOOKED_AT):
        if row.commit == commit and row.state == "done" and row.built is not None:
            return Base("running", commit, f"what ran then, deploy {row.id}"), row.built.settings
    return Base("running", commit, "what ran then"), None


def _earlier(tx: Transaction, approval: Approval) -> Iterator[Base]:
    """The last that was approved, whatever came of it, and the last that was asked for."""
    if approval.agent_id is None:
        return
    for row in tx.deploys.recent(approval.agent_id, _LOOKED_AT):
        if row.approval_id is not None and row.id < approval.id:
            yield Base("approved", row.commit, f"approval {row.id}, the last that was approved")
            break
    for other in tx.approvals.recent(_LOOKED_AT):
        is_alike = other.agent_id == approval.agent_id and other.id < approval.id
        if is_alike and "commit" in other.binding:
            commit = other.binding["commit"]
            yield Base("previous", commit, f"approval {other.id}, the one before this")
            break
