"""How approvals come to be and to their end, inside whatever transaction that belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyperhive.hive.clock import Clock
from hyperhive.hive.mail import Sender, notify, notify_manager
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import (
    OPERATOR_ID,
    SYSTEM_ID,
    Agent,
    Approval,
    ApprovalKind,
    ApprovalState,
)
from hyperhive.protocol.errors import Conflict, QueueFull, RateLimited

MAX_OPEN = 50
"""Requests of one agent that may wait for the operator."""
MAX_HOURLY = 60
"""Requests of one agent: each is kept for good, whatever becomes of it."""
_HOUR = 3_600.0
TAGGED: tuple[ApprovalState, ...] = ("approved", "failed", "denied")
"""States that a tag in the agent's repository is named after."""


def request(
    tx: Transaction,
    clock: Clock,
    kind: ApprovalKind,
    requester: Sender,
    agent: str,
    agent_id: int | None,
    description: str,
    binding: dict[str, Any],
    state: ApprovalState = "pending",
) -> Approval:
    """A new one, if `check` lets it."""
    check(tx, clock, kind, requester.id, agent)
    approval = tx.approvals.add(
        *(kind, requester.id, requester.name, agent, agent_id, description, binding),
        clock.now(),
        state,
    )
    log_approval(tx, clock, approval)
    return approval


def check(tx: Transaction, clock: Clock, kind: ApprovalKind, requester_id: int, agent: str) -> None:
    """Raises Conflict where one of the kind waits already, QueueFull, RateLimited."""
    if kind != "apply_commit" and any(a.kind == kind for a in tx.approvals.open(agent=agent)):
        raise Conflict(f"a request to {kind} {agent} waits for the operator already")
    if requester_id not in (OPERATOR_ID, SYSTEM_ID):
        _check_pace(tx, clock, requester_id)


def _check_pace(tx: Transaction, clock: Clock, requester_id: int) -> None:
    waiting = tx.approvals.open(requester_id=requester_id)
    if len(waiting) >= MAX_OPEN:
        raise QueueFull(f"{len(waiting)} of your requests wait for the operator already")
    lately = tx.approvals.recent(MAX_HOURLY, requester_id)
    if len(lately) < MAX_HOURLY:
        return
    left = lately[-1].requested_at + _HOUR - clock.now()
    if 0 < left <= _HOUR:  # else it is long ago, or the clock was set back
        problem = f"{MAX_HOURLY} requests within an hour are enough; the next in {left:.0f} s"
        raise RateLimited(problem, left)


def propose(
    tx: Transaction,
    clock: Clock,
    requester: Sender,
    agent: Agent,
    commit: str,
    base: str | None,
    description: str,
) -> Approval:
    """A request to run another commit in place of `base`, to be checked; an older one is void.

    What the host's configuration asks for is not overtaken by what agents ask for: Conflict.
    """
    if requester.id != SYSTEM_ID:
        _check_overtaking(tx, agent)
    binding = {"commit": commit, "base": base}
    approval = request(
        *(tx, clock, "apply_commit", requester, agent.name, agent.id, description, binding),
        "checking",
    )
    supersede(tx, clock, agent, approval.id)
    return approval


def _check_overtaking(tx: Transaction, agent: Agent) -> None:
    for waiting in tx.approvals.open(agent=agent.name):
        if waiting.kind == "apply_commit" and waiting.requester_id == SYSTEM_ID:
            raise Conflict(
                f"approval {waiting.id}, a change of {agent.name} by the host's configuration,"
                " waits for the operator; ask again once that is decided"
            )


def supersede(tx: Transaction, clock: Clock, agent: Agent, by: int) -> None:
    """What was proposed for it before that approval is void."""
    for older in tx.approvals.open(agent=agent.name):
        if older.kind == "apply_commit" and older.id != by:
            close(tx, clock, older, "superseded", f"approval {by} takes its place")


def withdraw_declared(tx: Transaction, clock: Clock, agent: Agent) -> None:
    """The host's configuration asks for nothing of it any more; what agents ask for stays."""
    for older in tx.approvals.open(agent=agent.name):
        if older.kind == "apply_commit" and older.requester_id == SYSTEM_ID:
            close(tx, clock, older, "superseded", "the host's configuration has changed since")


def outdate(tx: Transaction, clock: Clock, agent: Agent, commit: str) -> None:
    """It runs from this commit now: what was to take the place of another one is stale.

    What the host's configuration proposes is proposed anew by itself.
    """
    for approval in tx.approvals.open(agent=agent.name):
        about_it = approval.kind == "apply_commit" and approval.agent_id == agent.id
        if about_it and approval.requester_id != SYSTEM_ID and approval.binding["base"] != commit:
            close(tx, clock, approval, "stale_base", stale_note(agent.name, commit))


def stale_note(agent: str, running: str | None) -> str:
    now = f"runs {running[:12]}" if running else "runs nothing that was built"
    return f"{agent} {now} by now: make a commit on top of that, and ask again"


def close(
    tx: Transaction, clock: Clock, approval: Approval, state: ApprovalState, note: str
) -> Approval:
    """It is over without anybody's decision, and its requester is told.

    Of what the host proposed and could not be built, the manager is.
    """
    over = replace(approval, state=state, note=note, resolved_at=clock.now())
    tx.approvals.save(over)
    log_approval(tx, clock, over)
    tell(tx, clock, over, state)
    if approval.requester_id == SYSTEM_ID and state == "failed":
        notify_manager(tx, clock, approval.agent, "approval_resolved", _told(over, state))
    return over


def finish(
    tx: Transaction,
    clock: Clock,
    approval_id: int,
    error: str = "",
    state: ApprovalState | None = None,
) -> None:
    """What the approval started is over; without `state` it failed if there is an error."""
    approval = tx.approvals.get(approval_id)
    if approval is not None and approval.state == "running":
        ended = state or ("failed" if error else "done")
        over = replace(approval, state=ended, note=error or approval.note)
        tx.approvals.save(over)
        log_approval(tx, clock, over)


def withdraw_for(tx: Transaction, clock: Clock, agent: Agent) -> None:
    """The agent is being removed: its own requests and those about it are void.

    So is one for another of its name with a module, which goes with the configuration.
    """

    def is_about(approval: Approval) -> bool:
        return approval.agent_id == agent.id or (
            approval.agent == agent.name
            and approval.kind == "spawn"
            and "commit" in approval.binding
        )

    mine = tx.approvals.open(requester_id=agent.id)
    about = [a for a in tx.approvals.open() if is_about(a) and a not in mine]
    for approval in (*mine, *about):
        close(tx, clock, approval, "expired", f"{agent.name} was removed")


def tell(tx: Transaction, clock: Clock, approval: Approval, status: ApprovalState) -> None:
    """To whoever asked, if it is an agent that is still there."""
    if requester := tx.agents.get(approval.requester_id):
        notify(tx, clock, requester, "approval_resolved", _told(approval, status))


def _told(approval: Approval, status: ApprovalState) -> dict[str, Any]:
    commit = approval.binding.get("commit")
    return {
        "id": approval.id,
        "agent": approval.agent,
        "kind": approval.kind,
        "status": status,
        "note": approval.note,
        "sha": commit,
        "tag": f"{status}/{approval.id}" if commit and status in TAGGED else None,
    }


def log_approval(tx: Transaction, clock: Clock, approval: Approval) -> None:
    data = {
        "id": approval.id,
        "kind": approval.kind,
        "state": approval.state,
        "agent": approval.agent,
        "requester": approval.requester,
        "note": approval.note,
    }
    tx.events.append("approval", approval.agent, data, clock.now())
