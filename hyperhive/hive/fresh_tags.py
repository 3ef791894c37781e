"""Tags that an agent was just told of: git has them a moment later, and the agent looks at once."""

from __future__ import annotations

import asyncio
from collections.abc import Set

from hyperhive.hive.change_rows import Refs
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Configs
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Agent

FRESH_SECONDS = 10.0
PATIENCE = 2.0
"""Seconds; a tag that cannot be written keeps nobody longer."""
_LOOK_SECONDS = 0.05
_RECENT = 20


def fresh_tags(tx: Transaction, clock: Clock, agent: Agent) -> frozenset[str]:
    """Of its configuration: each has the text of why something came to nothing."""
    since = clock.now() - FRESH_SECONDS
    deploys = [d for d in tx.deploys.recent(agent.id, _RECENT) if (d.ended_at or 0) >= since]
    approvals = [
        a
        for a in tx.approvals.recent(_RECENT)
        if a.agent_id == agent.id and "commit" in a.binding and (a.resolved_at or 0) >= since
    ]
    return frozenset(
        {f"failed/{d.id}" for d in deploys if d.state in ("failed", "rolled_back")}
        | {f"denied/{a.id}" for a in approvals if a.state == "denied"}
        | {f"failed/{a.id}" for a in approvals if a.state == "failed" and not a.resolved_by}
    )


async def refs_with(configs: Configs, agent: str, tags: Set[str]) -> Refs:
    """What is in the repository, with these tags unless they do not come."""
    for _ in range(round(PATIENCE / _LOOK_SECONDS)):
        refs = await configs.refs(agent)
        if tags <= refs.tags.keys():
            return refs
        await asyncio.sleep(_LOOK_SECONDS)
    return await configs.refs(agent)
