"""Verbs for finding faults: they act in an agent's place."""

from __future__ import annotations

from typing import Any

from hyperhive.admin import verbs
from hyperhive.admin.context import Context
from hyperhive.admin.queries import find
from hyperhive.hive.mail import Sender
from hyperhive.hive.ports import Transaction
from hyperhive.hive.views import delivery_view
from hyperhive.protocol.verbs import Recv, Send

Answer = dict[str, Any]


async def debug_send(context: Context, request: verbs.DebugSend) -> Answer:
    """Send a message as an agent."""
    agent = await context.hive.store.read(lambda tx: find(tx, request.sender))
    send = Send(to=request.to, body=request.body, key=request.key)
    return await context.hive.broker.send(Sender(agent.id, agent.name, "agent"), send)


async def debug_recv(context: Context, request: verbs.DebugRecv) -> Answer:
    """Lease an agent's mail."""
    agent = await context.hive.store.read(lambda tx: find(tx, request.name))
    recv = Recv(wait_seconds=request.wait_seconds, max=request.max, instance=request.instance)
    return {"messages": await context.hive.broker.receive(agent.id, request.instance, recv)}


async def debug_ack(context: Context, request: verbs.DebugAck) -> Answer:
    """Settle what debug_recv leased."""
    agent = await context.hive.store.read(lambda tx: find(tx, request.name))
    await context.hive.leases.acknowledge(agent.id, request.instance, request.deliveries)
    return {"acked": list(request.deliveries)}


async def debug_leases(context: Context, _: verbs.Nothing) -> Answer:
    """Every leased delivery and its holder."""

    def query(tx: Transaction) -> Answer:
        held = tx.messages.leased()
        return {
            "leases": [{**delivery_view(d), "instance": d.instance, "turn": d.turn} for d in held]
        }

    return await context.hive.store.read(query)


async def debug_wake(context: Context, request: verbs.ByName) -> Answer:
    """Tell an agent's harness to look for mail."""
    agent = await context.hive.store.read(lambda tx: find(tx, request.name))
    context.hive.bells.ring(agent.id)
    return {"woken": agent.name, "linked": context.push(agent.name, "mail")}
