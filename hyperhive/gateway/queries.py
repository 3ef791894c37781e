"""What an agent may read about itself and, with the capability, about the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hyperhive.gateway.caller import Caller
from hyperhive.hive.hive import Hive
from hyperhive.hive.policy import require
from hyperhive.hive.ports import Transaction
from hyperhive.hive.views import request_view
from hyperhive.protocol.verbs import GetLogs

Logs = Callable[[str, int], Awaitable[Sequence[str]]]
"""The last lines of an agent's log, oldest first: (name, how many)."""

MAX_LINE = 2_000
"""Characters of a log line: 1,000 lines must fit into one frame."""

_LISTED = (
    "name",
    "role",
    "description",
    "state",
    "wanted",
    "linked",
    "problem",
    "hold",
    "model",
    "waiting",
    "needs_update",
)


async def whoami(hive: Hive, caller: Caller) -> dict[str, Any]:
    def query(tx: Transaction) -> dict[str, Any]:
        agent = require(tx.agents.get(caller.agent_id))
        view = hive.views.agent(tx, agent)
        settings = agent.settings
        return {
            **{key: view[key] for key in ("name", "role", "description", "model", "waiting")},
            "capabilities": list(agent.capabilities),
            "allowed_bash": list(settings.allowed_bash),
            "allowed_tools": list(settings.allowed_tools),
            "allowed_recipients": list(settings.allowed_recipients),
            "egress_allow": list(settings.egress.allow),
        }

    return await hive.store.read(query)


async def open_threads(hive: Hive, caller: Caller) -> dict[str, Any]:
    """Questions asked and owed, and requests that wait for the operator."""

    def query(tx: Transaction) -> dict[str, Any]:
        asked = tx.questions.open(asker_id=caller.agent_id)
        owed = tx.questions.open(target_id=caller.agent_id)
        requests = tx.approvals.open(requester_id=caller.agent_id)
        return {
            "asked": [hive.views.question(question) for question in asked],
            "to_answer": [hive.views.question(question) for question in owed],
            "requests": [request_view(approval) for approval in requests],
        }

    return await hive.store.read(query)


async def list_agents(hive: Hive) -> list[dict[str, Any]]:
    def query(tx: Transaction) -> list[dict[str, Any]]:
        views = [hive.views.agent(tx, agent) for agent in tx.agents.all()]
        return [{key: view[key] for key in _LISTED} for view in views]

    return await hive.store.read(query)


async def get_logs(hive: Hive, logs: Logs, caller: Caller, request: GetLogs) -> dict[str, Any]:
    agent = await hive.store.read(lambda tx: hive.agents.find(tx, request.agent, caller.name))
    lines = await logs(agent.name, request.lines)
    return {"agent": agent.name, "lines": [_shown(line) for line in lines]}


def _shown(line: str) -> str:
    """An agent writes what it likes into its log, also what no answer could carry."""
    return line[:MAX_LINE].encode(errors="replace").decode()
