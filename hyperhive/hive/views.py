"""The swarm as plain data, for people and programs that look at it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hyperhive.hive.clock import Clock, iso, remaining, utc_day
from hyperhive.hive.deploy_views import deploy_view, is_stale
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Transaction
from hyperhive.hive.presence import Links
from hyperhive.hive.records import (
    Agent,
    Approval,
    AuditEntry,
    Delivery,
    Event,
    Operation,
    Question,
    RunEnd,
    Turn,
    Usage,
)
from hyperhive.hive.storage_guard import Storage
from hyperhive.protocol.bundle import settings_json

View = dict[str, Any]

DENIED_SHOWN = 10
DEPLOYS_SHOWN = 10
_ENDS = {
    "clean": "ended by itself",
    "crash": "crashed",
    "oom": "ran out of memory",
    "killed": "was killed",
    "start_timeout": "did not start in time",
}


class Views:
    """Builds views inside a read transaction, so that one page shows one moment."""

    def __init__(
        self, clock: Clock, policy: Policy, links: Links, storage: Storage, host: str | None = None
    ) -> None:
        """`host` is what agents are built against, where they are built."""
        self._clock = clock
        self._policy = policy
        self._links = links
        self._storage = storage
        self._host = host

    def agent(self, tx: Transaction, agent: Agent) -> View:
        """One agent in a listing."""
        turn = next(iter(tx.turns.open(agent.id)), None)
        last = next(iter(tx.turns.recent(agent.id, 1)), None)
        present = self._links.get(agent.id)
        today = tx.usage.day(agent.id, utc_day(self._clock.now()))
        going_on = tx.deploys.open(agent.id)
        return {
            "id": agent.id,
            "name": agent.name,
            "role": agent.role,
            "origin": agent.origin,
            "description": agent.description,
            "state": self._state(tx, agent, turn),
            "wanted": agent.wanted,
            "linked": present is not None,
            "problem": self._problem(tx, agent),
            "hold": self._hold(agent),
            "model": self._policy.effective_model(agent).id,
            "model_override": agent.model_override,
            "waiting": tx.messages.undelivered(agent.id),
            "turn": self.turn(turn) if turn else None,
            "last_turn": self.turn(last) if last and last.ended_at is not None else None,
            "today": usage_view(today),
            "limits": asdict(self._policy.limits(agent)),
            "last_end": _end_view(agent.last_end),
            "retired_by": agent.retired_by,
            "created_at": iso(agent.created_at),
            "needs_update": self._host is not None and is_stale(tx, agent, self._host),
            "deploying": deploy_view(going_on[0]) if going_on else None,
        }

    def agent_details(self, tx: Transaction, agent: Agent) -> View:
        """One agent on its own page."""
        return {
            **self.agent(tx, agent),
            "capabilities": list(agent.capabilities),
            "settings": settings_json(agent.settings),
            "settings_version": agent.settings_version,
            "budget": {
                "usd_per_day": agent.budget.usd_per_day,
                "usd_per_turn": agent.budget.usd_per_turn,
                "tokens_per_day": agent.budget.tokens_per_day,
            },
            "models": sorted(self._policy.models),
            "turns": [self.turn(t) for t in tx.turns.recent(agent.id, 10)],
            "operations": [operation_view(o) for o in tx.operations.open(agent.id)],
            "egress_denied": denied_views(tx, agent),
            "built": self._host is not None,
            "deploy": agent.deploy,
            "deploys": [deploy_view(d) for d in tx.deploys.recent(agent.id, DEPLOYS_SHOWN)],
        }

    def _state(self, tx: Transaction, agent: Agent, turn: Turn | None) -> str:
        """One word for people: what the agent is doing, or why it is not."""
        present = self._links.get(agent.id)
        if agent.state != "present":
            return agent.state
        if agent.quarantined:
            return "quarantined"
        if agent.wanted == "stopped":
            stopping = present is not None or bool(tx.operations.open(agent.id))
            return "stopping" if stopping else "stopped"
        if self._host is not None and agent.bundle is None:
            return "building" if tx.deploys.open(agent.id) else "not built"
        if present is None and self._storage.critical:
            return "held"
        if present is None or present.healthy is None:
            return "starting"
        if not present.healthy:
            return "unhealthy"
        if turn is not None:
            return "working"
        return "held" if self._hold(agent) else "idle"

    def _problem(self, tx: Transaction, agent: Agent) -> str:
        if agent.state != "present":
            return next((o.error for o in tx.operations.open(agent.id) if o.error), "")
        present = self._links.get(agent.id)
        if self._host is not None and agent.bundle is None:
            last = next(iter(tx.deploys.recent(agent.id, 1)), None)
            return last.error if last else ""
        found = present.problem if present else self._links.start_problems.get(agent.id, "")
        lasting = agent.problem if agent.wanted == "running" else ""
        return agent.quarantined or found or lasting

    def _hold(self, agent: Agent) -> View | None:
        if self._storage.low and agent.state == "present" and agent.wanted == "running":
            detail = self._storage.problem
            return {"reason": "storage_low", "detail": detail, "until": None, "seconds": None}
        hold = agent.hold
        if hold is None:
            return None
        left = remaining(hold.until, self._clock) if hold.until else None
        if left == 0:
            return None
        return {
            "reason": hold.reason,
            "detail": hold.detail,
            "until": iso(hold.until.wall) if hold.until else None,
            "seconds": round(left) if left is not None else None,
        }

    def turn(self, turn: Turn) -> View:
        end = turn.ended_at if turn.ended_at is not None else self._clock.now()
        return {
            "id": turn.id,
            "state": turn.state,
            "model": turn.models[0] if turn.models else "",
            "began_at": iso(turn.began_at),
            "ended_at": iso(turn.ended_at) if turn.ended_at is not None else None,
            "duration_ms": max(0, round((end - turn.began_at) * 1_000)),
            "error": turn.error,
            **usage_view(turn.usage),
        }

    def question(self, question: Question) -> View:
        open_until = question.deadline if question.state == "open" else None
        return {
            "id": question.id,
            "asker": question.asker,
            "target": question.target,
            "question": question.question,
            "options": list(question.options),
            "multi": question.multi,
            "state": question.state,
            "asked_at": iso(question.asked_at),
            "deadline": iso(question.deadline.wall) if question.deadline else None,
            "seconds_left": round(remaining(open_until, self._clock)) if open_until else None,
            "answer": question.answer,
            "answerer": question.answerer,
            "resolved_at": iso(question.resolved_at) if question.resolved_at else None,
        }


def denied_views(tx: Transaction, agent: Agent) -> list[View]:
    """The latest connections it was denied; those of an earlier agent of its name are not its."""
    entries = tx.audit.denied(agent.name, agent.created_at, DENIED_SHOWN)
    return [{"at": iso(entry.at), "target": entry.detail} for entry in entries]


def _end_view(end: RunEnd | None) -> View | None:
    if end is None:
        return None
    how = _ENDS.get(end.reason, "ended")
    if end.exit is not None:
        how += f" (exit code {end.exit})" if end.exit >= 0 else f" (signal {-end.exit})"
    return {**asdict(end), "at": iso(end.at), "text": how}


def usage_view(usage: Usage) -> View:
    return {
        "usd": usage.micro_usd / 1e6,
        "tokens": usage.tokens,
        "output_tokens": usage.output_tokens,
        "requests": usage.requests,
    }


def approval_view(approval: Approval) -> View:
    return {
        "id": approval.id,
        "kind": approval.kind,
        "state": approval.state,
        "agent": approval.agent,
        "requester": approval.requester,
        "description": approval.description,
        "binding": approval.binding,
        "requested_at": iso(approval.requested_at),
        "note": approval.note,
        "resolved_by": approval.resolved_by,
        "resolved_at": iso(approval.resolved_at) if approval.resolved_at else None,
    }


def request_view(approval: Approval) -> View:
    """As whoever asked sees it, who knows the rest."""
    view = approval_view(approval)
    del view["binding"]
    return {**view, "commit": approval.binding.get("commit")}


def delivery_view(delivery: Delivery) -> View:
    message = delivery.message
    return {
        "id": message.id,
        "delivery": delivery.id,
        "from": message.sender,
        "to": delivery.recipient,
        "kind": message.kind,
        "body": message.body,
        "thread": message.thread,
        "in_reply_to": message.in_reply_to,
        "sent_at": iso(message.sent_at),
        "state": delivery.state,
        "attempt": delivery.attempt,
        "outcome": delivery.outcome,
        "settled_at": iso(delivery.settled_at) if delivery.settled_at else None,
    }


def operation_view(operation: Operation) -> View:
    return {
        "id": operation.id,
        "kind": operation.kind,
        "agent": operation.agent,
        "state": operation.state,
        "actor": operation.actor,
        "error": operation.error,
        "begun_at": iso(operation.begun_at),
    }


def event_view(event: Event) -> View:
    return {
        "seq": event.seq,
        "at": iso(event.at),
        "kind": event.kind,
        "agent": event.agent,
        "data": event.data,
    }


def audit_view(entry: AuditEntry) -> View:
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
    }
