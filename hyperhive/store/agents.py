"""Rows of agents."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import astuple, replace
from typing import Any, Literal

from hyperhive.hive.deploy_rows import Declared
from hyperhive.hive.records import Agent, Budget, Hold, RunEnd, Wanted
from hyperhive.protocol.bundle import AgentSettings, parse_settings, settings_json
from hyperhive.protocol.model import Capability, Role
from hyperhive.store.columns import from_deadline, from_json, to_deadline, to_json

CACHED = 1_000

Columns = tuple[str | int | float | bytes | None, ...]


class Agents:
    """Every message looks up two agents, and they rarely change: only their digests are read.

    The cache is keyed by content, so nothing in it is made wrong by a change or by its rollback.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cache: dict[tuple[int, bytes], Agent] = {}

    def add(
        self,
        name: str,
        role: Role,
        origin: Literal["declared", "spawned"],
        capabilities: tuple[Capability, ...],
        settings: AgentSettings,
        budget: Budget,
        wanted: Wanted,
        description: str,
        now: float,
    ) -> Agent:
        agent = Agent(
            id=0,
            name=name,
            role=role,
            origin=origin,
            capabilities=capabilities,
            settings=settings,
            settings_version=1,
            budget=budget,
            wanted=wanted,
            state="present",
            created_at=now,
            description=description,
        )
        cursor = self._connection.execute(
            "INSERT INTO agents (name, role, origin, capabilities, settings, settings_version,"
            " budget, wanted, state, created_at, description, model_override, hold, quarantined,"
            " retired_by, last_end, run, problem, crashes_from, bundle, deploy, declared, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _columns(agent),
        )
        assert cursor.lastrowid is not None
        return replace(agent, id=cursor.lastrowid)

    def get(self, agent_id: int) -> Agent | None:
        return self._one("SELECT id, digest FROM agents WHERE id = ?", agent_id)

    def by_name(self, name: str) -> Agent | None:
        return self._one("SELECT id, digest FROM agents WHERE name = ? AND state != 'purged'", name)

    def all(self) -> list[Agent]:
        rows = self._connection.execute(
            "SELECT id, digest FROM agents WHERE state != 'purged' ORDER BY role != 'manager', name"
        )
        return [self._agent(row) for row in rows.fetchall()]

    def save(self, agent: Agent) -> None:
        self._connection.execute(
            "UPDATE agents SET name = ?, role = ?, origin = ?, capabilities = ?, settings = ?,"
            " settings_version = ?, budget = ?, wanted = ?, state = ?, created_at = ?,"
            " description = ?, model_override = ?, hold = ?, quarantined = ?, retired_by = ?,"
            " last_end = ?, run = ?, problem = ?, crashes_from = ?,"
            " bundle = ?, deploy = ?, declared = ?, digest = ? WHERE id = ?",
            (*_columns(agent), agent.id),
        )

    def _one(self, statement: str, key: int | str) -> Agent | None:
        row = self._connection.execute(statement, (key,)).fetchone()
        return None if row is None else self._agent(row)

    def _agent(self, row: tuple[int, bytes]) -> Agent:
        if (agent := self._cache.get(row)) is not None:
            return agent
        if len(self._cache) >= CACHED:
            self._cache.clear()
        columns = self._connection.execute("SELECT * FROM agents WHERE id = ?", row[:1]).fetchone()
        agent = self._cache[row] = _parsed(columns)
        return agent


def _columns(agent: Agent) -> Columns:
    """All but `id`; the last is the digest of the others."""
    hold, end = agent.hold, agent.last_end
    columns: Columns = (
        agent.name,
        agent.role,
        agent.origin,
        to_json(agent.capabilities),
        to_json(settings_json(agent.settings)),
        agent.settings_version,
        to_json(astuple(agent.budget)),
        agent.wanted,
        agent.state,
        agent.created_at,
        agent.description,
        agent.model_override,
        to_json((hold.reason, from_deadline(hold.until), hold.detail)) if hold else None,
        agent.quarantined,
        agent.retired_by,
        to_json(astuple(end)) if end else None,
        agent.run,
        agent.problem,
        agent.crashes_from,
        agent.bundle,
        agent.deploy,
        to_json(astuple(agent.declared)),
    )
    return (*columns, hashlib.sha256(to_json(columns).encode()).digest())


def _parsed(row: tuple[Any, ...]) -> Agent:
    id_, name, role, origin, capabilities, settings, version, budget, wanted, state, *rest = row
    created_at, description, model_override, hold, quarantined, _, retired_by, last_end, *rest = (
        rest
    )
    *later, declared = rest
    return Agent(
        *(id_, name, role, origin, tuple(from_json(capabilities))),
        *(parse_settings(from_json(settings)), version, Budget(*from_json(budget))),
        *(wanted, state, created_at, description, model_override),
        *(_hold(hold), quarantined, retired_by),
        RunEnd(*from_json(last_end)) if last_end else None,
        *(*later, Declared(*from_json(declared))),
    )


def _hold(text: str | None) -> Hold | None:
    if text is None:
        return None
    reason, until, detail = from_json(text)
    return Hold(reason, to_deadline(until), detail)
