"""Deploys as plain data, and what they say about an agent."""

from __future__ import annotations

from typing import Any

from hyperhive.hive.clock import iso
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Agent


def deploy_view(deploy: Deploy) -> dict[str, Any]:
    begun, ended = deploy.begun_at, deploy.ended_at
    return {
        "id": deploy.id,
        "agent": deploy.agent,
        "kind": deploy.kind,
        "state": deploy.state,
        "commit": deploy.commit,
        "actor": deploy.actor,
        "approval": deploy.approval_id,
        "previous": deploy.previous,
        "bundle": deploy.built.bundle if deploy.built else "",
        "error": deploy.error,
        "queued_at": iso(deploy.queued_at),
        "begun_at": iso(begun) if begun is not None else None,
        "ended_at": iso(ended) if ended is not None else None,
        "seconds": round(ended - begun, 1) if begun is not None and ended is not None else None,
    }


def is_stale(tx: Transaction, agent: Agent, host: str) -> bool:
    """Whether what it runs was built against another host than this one."""
    current = tx.deploys.get(agent.deploy) if agent.deploy is not None else None
    if agent.state != "present" or current is None or current.built is None:
        return False
    return current.built.host != host
