"""Rows of deploys."""

from __future__ import annotations

import sqlite3
from typing import Any

from hyperhive.hive.deploy_rows import OPEN_DEPLOYS, Built, Deploy, DeployKind
from hyperhive.protocol.bundle import parse_settings, settings_json
from hyperhive.store.columns import from_json, to_json
from hyperhive.store.numbers import next_number

_OPEN = f"state IN ({', '.join(repr(state) for state in OPEN_DEPLOYS)})"


class Deploys:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self,
        kind: DeployKind,
        agent_id: int,
        agent: str,
        commit: str,
        actor: str,
        now: float,
        approval_id: int | None = None,
        built: Built | None = None,
    ) -> Deploy:
        # An approval from before the two shared their numbers may have one that is taken.
        is_free = approval_id is not None and self.get(approval_id) is None
        number = approval_id if approval_id and is_free else next_number(self._connection)
        self._connection.execute(
            "INSERT INTO deploys (id, kind, state, agent_id, agent, commit_id, actor, queued_at,"
            " approval_id, built, error) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, '')",
            (
                *(number, kind, agent_id, agent, commit, actor, now, approval_id),
                _from_built(built),
            ),
        )
        return Deploy(
            *(number, kind, "queued", agent_id, agent, commit, actor, now, approval_id, built)
        )

    def get(self, deploy_id: int) -> Deploy | None:
        found = self._deploys("SELECT * FROM deploys WHERE id = ?", deploy_id)
        return found[0] if found else None

    def save(self, deploy: Deploy) -> None:
        self._connection.execute(
            "UPDATE deploys SET state = ?, built = ?, previous = ?, operation_id = ?, error = ?,"
            " begun_at = ?, ended_at = ? WHERE id = ?",
            (
                *(deploy.state, _from_built(deploy.built), deploy.previous, deploy.operation_id),
                *(deploy.error, deploy.begun_at, deploy.ended_at, deploy.id),
            ),
        )

    def open(self, agent_id: int | None = None) -> list[Deploy]:
        return self._deploys(
            f"SELECT * FROM deploys WHERE {_OPEN} AND agent_id = ifnull(?, agent_id) ORDER BY id",  # noqa: S608 - constants of ours
            agent_id,
        )

    def recent(self, agent_id: int | None = None, limit: int = 50) -> list[Deploy]:
        return self._deploys(
            "SELECT * FROM deploys WHERE agent_id = ifnull(?, agent_id) ORDER BY id DESC LIMIT ?",
            *(agent_id, limit),
        )

    def _deploys(self, statement: str, *parameters: int | None) -> list[Deploy]:
        rows = self._connection.execute(statement, parameters).fetchall()
        return [_deploy(row) for row in rows]


def _deploy(row: tuple[Any, ...]) -> Deploy:
    id_, kind, state, agent_id, agent, commit, actor, queued_at, approval_id, built, *rest = row
    return Deploy(
        *(id_, kind, state, agent_id, agent, commit, actor, queued_at, approval_id),
        *(_to_built(built), *rest),
    )


def _from_built(built: Built | None) -> str | None:
    if built is None:
        return None
    settings = settings_json(built.settings)
    return to_json([built.host, built.drv, built.system, settings, built.bundle])


def _to_built(text: str | None) -> Built | None:
    if text is None:
        return None
    host, drv, system, settings, bundle = from_json(text)
    return Built(host, drv, system, parse_settings(settings), bundle)
