"""What the pages show, read in one transaction so that each shows one moment of the swarm."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from hyperhive.hive.deploy_views import deploy_view
from hyperhive.hive.hive import Hive
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent, Approval, Delivery, DeliveryState, Event
from hyperhive.hive.views import approval_view, audit_view, delivery_view, event_view
from hyperhive.protocol.errors import NotFound
from hyperhive.protocol.system_mail import system_facts

Content = dict[str, Any]

FLOW = 50
INBOX = 50
AGENT_INBOX = 30
TURN_LOG = 200
PAGE = 100
RESOLVED = 10


def counts(tx: Transaction) -> dict[str, int]:
    """What waits for the operator, as the menu and the title show it."""
    return {
        "questions": len(tx.questions.open(target_id=OPERATOR_ID)),
        "approvals": len(tx.approvals.open()),
        "unread": len(tx.messages.queued(OPERATOR_ID)),
    }


def swarm(hive: Hive, tx: Transaction) -> Content:
    views = hive.views
    opened = [views.question(q) for q in tx.questions.open()]
    resolved = [views.question(q) for q in tx.questions.recent(50) if q.state != "open"]
    decided = [approval_view(a) for a in tx.approvals.recent(50)]
    return {
        "after": tx.events.last(),
        "counts": counts(tx),
        "agents": [views.agent(tx, a) for a in tx.agents.all()],
        "absent": hive.declarations.absent(tx),
        "queue": queue(hive, tx),
        "questions": [q for q in opened if q["target"] == "operator"],
        "peer_questions": [q for q in opened if q["target"] != "operator"],
        "resolved_questions": resolved[:RESOLVED],
        "approvals": [approval_view(a) for a in tx.approvals.open()],
        "decided_approvals": [a for a in decided if a["resolved_at"]][:RESOLVED],
        "flow": letters(tx.messages.recent(limit=FLOW)),
        "inbox": letters(tx.messages.inbox(OPERATOR_ID, limit=INBOX)),
    }


def agent(hive: Hive, tx: Transaction, name: str) -> Content:
    """Raises NotFound."""
    found = find_agent(tx, name)
    return {
        "after": tx.events.last(),
        "counts": counts(tx),
        "agent": hive.views.agent_details(tx, found),
        "runs": _runs(tx, found),
        "log": turn_log(tx, name, 0),
        "inbox": letters(tx.messages.inbox(found.id, limit=AGENT_INBOX)),
    }


def _runs(tx: Transaction, of: Agent) -> Content | None:
    """The deploy that its next start is from."""
    found = tx.deploys.get(of.deploy) if of.deploy is not None else None
    return deploy_view(found) if found else None


def turn_log(tx: Transaction, name: str, after: int) -> list[Content]:
    """The agent's newest turn events numbered above `after`, oldest first. Raises NotFound."""
    since = find_agent(tx, name).created_at  # an earlier agent of the name is none of its business
    events = tx.events.turn_log(name, TURN_LOG)
    return [log_line(e) for e in reversed(events) if e.seq > after and e.at >= since]


def log_line(event: Event) -> Content:
    view, plain = event_view(event), {"text": "", "tool": "", "is_error": False}
    return {**view, "kind": event.kind.removeprefix("turn_"), "data": {**plain, **view["data"]}}


def messages(
    tx: Transaction, name: str, state: DeliveryState | None, before: int | None
) -> Content:
    """One page of the flow; `state` shows the newest of one state, e.g. dead letters."""
    of = _correspondent(tx, name)
    if state is not None:
        found = [d for d in tx.messages.in_state(state, PAGE) if of in (None, d.recipient_id)]
    else:
        found = tx.messages.recent(of, limit=PAGE, before=before)
    full = state is None and len(found) == PAGE
    return {
        "after": tx.events.last(),
        "counts": counts(tx),
        "names": [a.name for a in tx.agents.all()],
        "flow": letters(found),
        "older": found[-1].id if full else None,
    }


def _correspondent(tx: Transaction, name: str) -> int | None:
    if not name:
        return None
    return OPERATOR_ID if name == "operator" else find_agent(tx, name).id


def approval(hive: Hive, tx: Transaction, approval_id: int) -> Content:
    """`position` is the place of its deploy in the queue, `successor` the approval that took its
    place. Raises NotFound."""
    found = tx.approvals.get(approval_id)
    if found is None:
        raise NotFound(f"there is no approval {approval_id}")
    subject = tx.agents.get(found.agent_id) if found.agent_id else None
    deploys = tx.deploys.recent(found.agent_id) if found.agent_id else []
    deploy = next((d for d in deploys if d.approval_id == found.id), None)
    return {
        "after": tx.events.last(),
        "counts": counts(tx),
        "approval": approval_view(found),
        "subject": hive.views.agent(tx, subject) if subject else None,
        "deploy": deploy_view(deploy) if deploy else None,
        "position": _position(hive, tx, deploy.id) if deploy else None,
        "successor": _successor(found),
    }


def _successor(approval: Approval) -> int | None:
    named = re.fullmatch("approval ([0-9]+) takes its place", approval.note)
    return int(named[1]) if approval.state == "superseded" and named else None


def queue(hive: Hive, tx: Transaction) -> list[Content]:
    """What is being deployed, then what waits in the order of its turn."""
    parts = hive.deploying
    return [deploy_view(d) for d in parts.deploys.queue(tx)] if parts else []


def _position(hive: Hive, tx: Transaction, deploy_id: int) -> int | None:
    """How many are before it in the queue, if it is in it."""
    places = {waiting["id"]: place for place, waiting in enumerate(queue(hive, tx))}
    return places.get(deploy_id)


def deploy(hive: Hive, tx: Transaction, deploy_id: int) -> Content:
    """`position` is its place in the queue, from 0; `subject` the agent that it is of, while there
    is that agent. Raises NotFound."""
    found = tx.deploys.get(deploy_id)
    if found is None:
        raise NotFound(f"there is no deploy {deploy_id}")
    subject = tx.agents.get(found.agent_id)
    there = subject is not None and subject.state != "purged"
    return {
        "after": tx.events.last(),
        "counts": counts(tx),
        "deploy": deploy_view(found),
        "position": _position(hive, tx, deploy_id),
        "subject": hive.views.agent_details(tx, subject) if subject and there else None,
    }


def audit(tx: Transaction, before: int | None) -> Content:
    entries = [audit_view(e) for e in tx.audit.recent(PAGE, before)]
    return {
        "after": tx.events.last(),
        "counts": counts(tx),
        "entries": entries,
        "older": entries[-1]["id"] if len(entries) == PAGE else None,
    }


def state(hive: Hive, tx: Transaction) -> Content:
    """`/api/state`: the swarm for programs."""
    views = hive.views
    return {
        "event": tx.events.last(),
        "agents": [views.agent(tx, a) for a in tx.agents.all()],
        "questions": [views.question(q) for q in tx.questions.open()],
        "approvals": [approval_view(a) for a in tx.approvals.open()],
        "unread": counts(tx)["unread"],
        "dead_letters": len(tx.messages.in_state("dead")),
    }


def find_agent(tx: Transaction, name: str) -> Agent:
    """The agent with this name, destroyed ones included. Raises NotFound."""
    if found := tx.agents.by_name(name):
        return found
    raise NotFound(f"there is no agent {name!r}")


def letters(deliveries: Iterable[Delivery]) -> list[Content]:
    """Deliveries as messages: neighbours that carry the same one are one, with all recipients."""
    found: list[Content] = []
    for delivery in deliveries:
        view = delivery_view(delivery)
        recipient = {name: view[name] for name in ("to", "state", "attempt", "outcome")}
        if found and found[-1]["id"] == view["id"]:
            found[-1]["recipients"].insert(0, recipient)
        else:
            facts = system_facts(view["kind"], view["body"])
            found.append({**view, "facts": facts, "recipients": [recipient]})
    return found
