"""Notices that a play cannot go on, long before its deadline, and shows what is known of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from hyperhive.admin.client import AdminClient
from hyperhive.cli.render import safe
from hyperhive.protocol.errors import HiveError

PATIENCE = 10.0
"""Seconds that an agent may be in trouble: it may come up at the second try."""
_LOOK_SECONDS = 0.5
_LINES = 20


async def trouble(client: AdminClient) -> str:
    """Waits for trouble that lasts; returns what it is."""
    clock, since = asyncio.get_running_loop().time, dict[str, float]()
    while True:
        try:
            agents: list[dict[str, Any]] = (await client.call("agents"))["agents"]
        except HiveError as error:
            return error.message
        for agent in agents:
            if not agent["problem"]:
                since.pop(agent["name"], None)
            elif clock() - since.setdefault(agent["name"], clock()) >= _patience(agent):
                return f"{agent['name']} is {agent['state']}: {agent['problem']}"
        await asyncio.sleep(_LOOK_SECONDS)


def _patience(agent: Mapping[str, Any]) -> float:
    """Nothing but the operator mends a quarantine."""
    return 0.0 if agent["state"] == "quarantined" else PATIENCE


async def last_words(client: AdminClient, service_log: Sequence[str]) -> list[str]:
    """The ends of the service's log and of the agents', made harmless for a terminal."""
    found = ["the service's log:", *shown(service_log)]
    try:
        for agent in (await client.call("agents"))["agents"]:
            lines = (await client.call("logs", name=agent["name"], lines=_LINES))["lines"]
            if lines:
                found += [f"the log of {agent['name']}:", *(f"  {safe(line)}" for line in lines)]
    except HiveError as error:
        found.append(f"no logs of agents: {error.message}")
    return found


def shown(log: Sequence[str]) -> list[str]:
    """The end of a log, for a terminal."""
    return [f"  {safe(line)}" for line in log[-_LINES:]] or ["  (empty)"]
