"""How a deploy enters the queue, inside whatever transaction it belongs to."""

from __future__ import annotations

from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_rows import Built, Deploy, DeployKind
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Agent
from hyperhive.protocol.errors import Conflict


def order_deploy(
    tx: Transaction,
    clock: Clock,
    agent: Agent,
    kind: DeployKind,
    commit: str,
    actor: str,
    approval_id: int | None = None,
    built: Built | None = None,
) -> Deploy:
    """One deploy of an agent at a time: raises Conflict while another is going on.

    With `built` that is what it has to come to, and nothing is evaluated any more.
    """
    if going_on := tx.deploys.open(agent.id):
        other = going_on[0]
        raise Conflict(f"deploy {other.id} of {agent.name} is {other.state}; cancel it, or wait")
    now = clock.now()
    deploy = tx.deploys.add(kind, agent.id, agent.name, commit, actor, now, approval_id, built)
    log_deploy(tx, clock, deploy)
    subject = f"{agent.name} (deploy {deploy.id})"
    tx.audit.append(actor, f"deploy.{kind}", subject, commit, now)
    return deploy


def running_deploy(tx: Transaction, agent: Agent) -> Deploy | None:
    """The last that came up, whatever is tried in its place; None where nothing ever has."""
    current = tx.deploys.get(agent.deploy) if agent.deploy is not None else None
    if current is not None and current.state == "starting":
        return tx.deploys.get(current.previous) if current.previous is not None else None
    return current


def running_commit(tx: Transaction, agent: Agent) -> str | None:
    """Of `running_deploy`: where `main` is."""
    running = running_deploy(tx, agent)
    return running.commit if running else None


def log_deploy(tx: Transaction, clock: Clock, deploy: Deploy) -> None:
    data = {
        "deploy": deploy.id,
        "kind": deploy.kind,
        "state": deploy.state,
        "commit": deploy.commit,
        "error": deploy.error,
    }
    tx.events.append("deploy", deploy.agent, data, clock.now())
