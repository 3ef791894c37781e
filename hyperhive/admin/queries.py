"""Answers to the operator's questions about what is."""

from __future__ import annotations

from typing import Any

from hyperhive.admin import verbs
from hyperhive.admin.context import Context
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent
from hyperhive.hive.views import (
    approval_view,
    audit_view,
    delivery_view,
    operation_view,
)
from hyperhive.protocol.errors import NotFound

Answer = dict[str, Any]


async def status(context: Context, _: verbs.Nothing) -> Answer:
    """A summary of the hive."""
    hive = context.hive
    storage = [hive.storage.problem] if hive.storage.low else []

    def query(tx: Transaction) -> Answer:
        absent = hive.declarations.absent(tx)
        return {
            "runtime": context.runtime_kind,
            "dashboard": context.dashboard_url,
            "warnings": [*storage, *context.warnings, *absent],
            "agents": [hive.views.agent(tx, a) for a in tx.agents.all()],
            "open_questions": len(tx.questions.open(target_id=OPERATOR_ID)),
            "open_approvals": len(tx.approvals.open()),
            "unread": len(tx.messages.queued(OPERATOR_ID)),
            "dead_letters": len(tx.messages.in_state("dead")),
            "operations": [operation_view(o) for o in tx.operations.open()],
            "last_event": tx.events.last(),
        }

    return await _with_usage(context, await hive.store.read(query))


async def agents(context: Context, _: verbs.Nothing) -> Answer:
    """Every agent."""
    views = context.hive.views
    found = await context.hive.store.read(
        lambda tx: {"agents": [views.agent(tx, a) for a in tx.agents.all()]}
    )
    return await _with_usage(context, found)


async def _with_usage(context: Context, answer: Answer) -> Answer:
    """What each agent uses now beside what it may use."""
    used = await context.gauge.read(a["name"] for a in answer["agents"])
    shown = [{**agent, "usage": used[agent["name"]]} for agent in answer["agents"]]
    return {**answer, "agents": shown}


async def agent(context: Context, request: verbs.ByName) -> Answer:
    """One agent in full."""

    def query(tx: Transaction) -> Answer:
        return context.hive.views.agent_details(tx, find(tx, request.name))

    return await context.hive.store.read(query)


async def inbox(context: Context, request: verbs.Inbox) -> Answer:
    """The operator's mail."""
    mail = await context.hive.broker.inbox(request.limit)
    return {"messages": [delivery_view(d) for d in mail]}


async def messages(context: Context, request: verbs.Messages) -> Answer:
    """The message flow."""

    def query(tx: Transaction) -> Answer:
        of = find(tx, request.agent).id if request.agent else None
        flow = tx.messages.recent(of, limit=request.limit, before=request.before)
        return {"messages": [delivery_view(d) for d in flow]}

    return await context.hive.store.read(query)


async def questions(context: Context, request: verbs.Listing) -> Answer:
    """Open questions, or all recent ones."""
    view = context.hive.views.question

    def query(tx: Transaction) -> Answer:
        rows = tx.questions.recent(request.limit) if request.all else tx.questions.open()
        return {"questions": [view(q) for q in rows[: request.limit]]}

    return await context.hive.store.read(query)


async def approvals(context: Context, request: verbs.Listing) -> Answer:
    """Open approvals, or all recent ones."""

    def query(tx: Transaction) -> Answer:
        rows = tx.approvals.recent(request.limit) if request.all else tx.approvals.open()
        return {"approvals": [approval_view(a) for a in rows[: request.limit]]}

    return await context.hive.store.read(query)


async def logs(context: Context, request: verbs.Logs) -> Answer:
    """The last lines of an agent's log."""
    await context.hive.store.read(lambda tx: find(tx, request.name))
    return {"lines": list(await context.logs(request.name, request.lines))}


async def audit(context: Context, request: verbs.Audit) -> Answer:
    """Who decided what, newest first."""
    return await context.hive.store.read(
        lambda tx: {
            "entries": [audit_view(e) for e in tx.audit.recent(request.limit, request.before)]
        }
    )


async def doctor(context: Context, _: verbs.Nothing) -> Answer:
    """What should be looked at, with its remedy."""
    return {"checks": await context.doctor()}


def find(tx: Transaction, name: str) -> Agent:
    """The agent with this name, tombstones included. Raises NotFound."""
    if found := tx.agents.by_name(name):
        return found
    raise NotFound(f"there is no agent {name!r}")
