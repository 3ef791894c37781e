"""What the operator can do, each one domain call."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from functools import partial
from typing import Any

from hyperhive.admin import verbs
from hyperhive.admin.context import Context
from hyperhive.admin.queries import find
from hyperhive.hive.agents import Push
from hyperhive.hive.approval_digest import binding_digest
from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Operation
from hyperhive.hive.views import approval_view, operation_view
from hyperhive.protocol.errors import Conflict
from hyperhive.protocol.verbs import Ask, Send

Answer = dict[str, Any]


async def send(context: Context, request: Send) -> Answer:
    """Send a message as the operator."""
    return await context.hive.broker.send(OPERATOR_SENDER, request)


async def ask(context: Context, request: verbs.Ask) -> Answer:
    """Ask an agent a question."""
    return await context.hive.questions.ask(OPERATOR_SENDER, Ask(**asdict(request)))


async def mark_read(context: Context, request: verbs.MarkRead) -> Answer:
    """The operator has seen these; others may have come meanwhile."""
    await context.hive.broker.mark_read(frozenset(request.deliveries))
    return {"read": list(request.deliveries)}


async def answer(context: Context, request: verbs.Answer) -> Answer:
    """Answer any question."""
    question = await context.hive.questions.answer(OPERATOR_SENDER, request.id, request.answer)
    return context.hive.views.question(question)


async def cancel_question(context: Context, request: verbs.ById) -> Answer:
    """End a question without an answer."""
    question = await context.hive.questions.cancel(OPERATOR_SENDER, request.id)
    return context.hive.views.question(question)


async def approve(context: Context, request: verbs.Approve) -> Answer:
    """Approve what an agent asked for."""
    seen = None
    if request.commit is not None:
        look = partial(_binding_of, approval_id=request.id, commit=request.commit)
        seen = await context.hive.store.read(look)
    return approval_view(await context.hive.approvals.approve(request.id, request.note, seen))


def _binding_of(tx: Transaction, approval_id: int, commit: str) -> str | None:
    """The digest of what is bound, if it is this commit. Raises Conflict."""
    if (approval := tx.approvals.get(approval_id)) is None:
        return None
    bound = approval.binding.get("commit")
    if bound is None:
        raise Conflict(f"approval {approval_id} is about no commit: leave `--commit` out")
    if not bound.startswith(commit):
        raise Conflict(
            f"approval {approval_id} is about commit {bound[:12]}, not {commit}: "
            f"look at it with `hyperhive diff {approval_id}`"
        )
    return binding_digest(approval)


async def deny(context: Context, request: verbs.Deny) -> Answer:
    """Refuse what an agent asked for."""
    return approval_view(await context.hive.approvals.deny(request.id, request.reason))


async def spawn(context: Context, request: verbs.Spawn) -> Answer:
    """Make a new agent and start it."""
    key = request.key or ""
    if request.module is None:
        agent = await context.hive.agents.spawn(request.name, request.description, key)
    else:
        spawn_with = context.hive.need_deploying().proposals.spawn
        of = (request.name, request.description, request.module)
        agent = await spawn_with(*of, key or uuid.uuid4().hex)
    going_on = await context.hive.store.read(lambda tx: tx.deploys.open(agent.id))
    return {"agent": agent.name, "id": agent.id, "deploy": going_on[0].id if going_on else None}


async def start(context: Context, request: verbs.ByName) -> Answer:
    """Start an agent."""
    return _ordered(await context.hive.agents.start(request.name))


async def kill(context: Context, request: verbs.ByName) -> Answer:
    """Stop an agent."""
    return _ordered(await context.hive.agents.kill(request.name))


async def restart(context: Context, request: verbs.ByName) -> Answer:
    """Stop an agent and start it again."""
    return _ordered(await context.hive.agents.restart(request.name))


async def destroy(context: Context, request: verbs.Destroy) -> Answer:
    """Remove an agent; with purge also its files."""
    return _ordered(await context.hive.agents.destroy(request.name, request.purge))


async def revive(context: Context, request: verbs.ByName) -> Answer:
    """Bring a destroyed agent back with its files."""
    return _ordered(await context.hive.agents.revive(request.name))


async def model(context: Context, request: verbs.SetModel) -> Answer:
    """Override an agent's model from its next turn on."""
    agent = await context.hive.agents.set_model(request.name, request.model)
    effective = context.hive.policy.effective_model(agent).id
    return {"agent": agent.name, "model": effective, "override": agent.model_override}


async def cancel_turn(context: Context, request: verbs.ByName) -> Answer:
    """Interrupt the running turn."""
    return await _pushed(context, request.name, "cancel")


async def new_session(context: Context, request: verbs.ByName) -> Answer:
    """Have the agent forget its conversation before its next turn."""
    return await _pushed(context, request.name, "new_session")


async def login_code(context: Context, _: verbs.Nothing) -> Answer:
    """A single-use login link for the dashboard."""
    return {"url": f"{context.dashboard_url}/login#{await context.login_code()}"}


def _ordered(operation: Operation) -> Answer:
    return operation_view(operation)


async def _pushed(context: Context, name: str, push: Push) -> Answer:
    await context.hive.store.read(lambda tx: find(tx, name))
    if not context.push(name, push):
        raise Conflict(f"{name} is not connected now")
    await context.hive.agents.record_push(name, push)
    return {"agent": name, "sent": push}
