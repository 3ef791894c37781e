"""Rows of agents."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import astuple
from functools import lru_cache
from typing import Any, Literal

from hyperhive.hive.records import Agent, Budget, Hold, Wanted
from hyperhive.protocol.bundle import AgentSettings, parse_settings, settings_json
from hyperhive.protocol.model import Capability, Role
from hyperhive.store.columns import from_deadline, from_json, to_deadline, to_json

SETTINGS_CACHED = 1_000


class Agents:
    """Settings are parsed once per content: what the cache is keyed by cannot be rolled back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._settings: dict[bytes, AgentSettings] = {}

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
        text, digest = _settings_columns(settings)
        cursor = self._connection.execute(
            "INSERT INTO agents (name, role, origin, capabilities, settings_digest,"
            " settings_version, budget, wanted, state, created_at, description, settings)"
            " VALUES (?, ?, ?, ?, ?, 1, ?, ?, 'present', ?, ?, ?)",
            (
                *(name, role, origin, to_json(capabilities), digest),
                *(to_json(astuple(budget)), wanted, now, description, text),
            ),
        )
        assert cursor.lastrowid is not None
        return Agent(
            id=cursor.lastrowid,
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

    def get(self, agent_id: int) -> Agent | None:
        return self._one("SELECT * FROM agent_rows WHERE id = ?", agent_id)

    def by_name(self, name: str) -> Agent | None:
        return self._one("SELECT * FROM agent_rows WHERE name = ? AND state != 'purged'", name)

    def all(self) -> list[Agent]:
        rows = self._connection.execute(
            "SELECT * FROM agent_rows WHERE state != 'purged' ORDER BY role != 'manager', name"
        )
        return [self._agent(row) for row in rows.fetchall()]

    def save(self, agent: Agent) -> None:
        text, digest = _settings_columns(agent.settings)
        self._connection.execute(
            "UPDATE agents SET name = ?, role = ?, origin = ?, capabilities = ?,"
            " settings_digest = ?, settings_version = ?, budget = ?, wanted = ?, state = ?,"
            " created_at = ?, description = ?, model_override = ?, hold = ?, quarantined = ?"
            " WHERE id = ?",
            (
                *(agent.name, agent.role, agent.origin, to_json(agent.capabilities)),
                *(digest, agent.settings_version, to_json(astuple(agent.budget)), agent.wanted),
                *(agent.state, agent.created_at, agent.description, agent.model_override),
                *(_hold_column(agent.hold), agent.quarantined, agent.id),
            ),
        )
        # Apart, so that the frequent changes of state do not rewrite a long prompt.
        self._connection.execute(
            "UPDATE agents SET settings = ?1 WHERE id = ?2 AND settings != ?1", (text, agent.id)
        )

    def _one(self, statement: str, key: int | str) -> Agent | None:
        row = self._connection.execute(statement, (key,)).fetchone()
        return None if row is None else self._agent(row)

    def _agent(self, row: tuple[Any, ...]) -> Agent:
        id_, name, role, origin, capabilities, digest, version, budget, *rest = row
        wanted, state, created_at, description, model_override, hold, quarantined = rest
        return Agent(
            id_,
            name,
            role,
            origin,
            _capabilities(capabilities),
            self._settings.get(digest) or self._parse_settings(id_, digest),
            version,
            _budget(budget),
            wanted,
            state,
            created_at,
            description,
            model_override,
            None if hold is None else _hold(hold),
            quarantined,
        )

    def _parse_settings(self, agent_id: int, digest: bytes) -> AgentSettings:
        if len(self._settings) >= SETTINGS_CACHED:
            self._settings.clear()
        (text,) = self._connection.execute(
            "SELECT settings FROM agents WHERE id = ?", (agent_id,)
        ).fetchone()
        self._settings[digest] = parse_settings(from_json(text))
        return self._settings[digest]


def _settings_columns(settings: AgentSettings) -> tuple[str, bytes]:
    text = to_json(settings_json(settings))
    return text, hashlib.sha256(text.encode()).digest()


@lru_cache(maxsize=SETTINGS_CACHED)
def _capabilities(text: str) -> tuple[Capability, ...]:
    return tuple(from_json(text))


@lru_cache(maxsize=SETTINGS_CACHED)
def _budget(text: str) -> Budget:
    return Budget(*from_json(text))


def _hold_column(hold: Hold | None) -> str | None:
    return None if hold is None else to_json([hold.reason, from_deadline(hold.until), hold.detail])


def _hold(text: str) -> Hold:
    reason, until, detail = from_json(text)
    return Hold(reason, to_deadline(until), detail)
