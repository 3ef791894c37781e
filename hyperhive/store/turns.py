"""Rows of turns, with what they and each agent's day have used."""

from __future__ import annotations

import sqlite3
from typing import Any

from hyperhive.hive.records import Turn, Usage
from hyperhive.store.columns import from_json, to_json

UsageColumns = tuple[int, int, int, int, int, int]


class Turns:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, turn: Turn) -> None:
        self._connection.execute(
            "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(turn.id, turn.agent_id, turn.instance, turn.state, to_json(turn.models)),
                *(turn.began_at, turn.ended_at, turn.error, turn.session, turn.last_event),
                *_columns(turn.usage),
            ),
        )

    def get(self, turn_id: str) -> Turn | None:
        row = self._connection.execute("SELECT * FROM turns WHERE id = ?", (turn_id,)).fetchone()
        return None if row is None else _turn(row)

    def save(self, turn: Turn) -> None:
        """All but `usage`, which only grows, by `UsageRows.add`."""
        self._connection.execute(
            "UPDATE turns SET agent_id = ?, instance = ?, state = ?, models = ?, began_at = ?,"
            " ended_at = ?, error = ?, session = ?, last_event = ? WHERE id = ?",
            (
                *(turn.agent_id, turn.instance, turn.state, to_json(turn.models), turn.began_at),
                *(turn.ended_at, turn.error, turn.session, turn.last_event, turn.id),
            ),
        )

    def open(self, agent_id: int | None = None) -> list[Turn]:
        if agent_id is None:
            return self._turns(
                "SELECT * FROM turns INDEXED BY turns_open WHERE state = 'open' ORDER BY rowid"
            )
        return self._turns(
            "SELECT * FROM turns WHERE state = 'open' AND agent_id = ? ORDER BY rowid", agent_id
        )

    def recent(self, agent_id: int, limit: int = 20) -> list[Turn]:
        return self._turns(
            "SELECT * FROM turns WHERE agent_id = ? ORDER BY rowid DESC LIMIT ?", agent_id, limit
        )

    def _turns(self, statement: str, *parameters: int) -> list[Turn]:
        return [_turn(row) for row in self._connection.execute(statement, parameters).fetchall()]


class UsageSums:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, agent_id: int, turn_id: str | None, model: str, used: Usage, day: str) -> None:
        columns = _columns(used)
        self._connection.execute(
            "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (agent_id, day, model) DO UPDATE SET"
            " input_tokens = input_tokens + excluded.input_tokens,"
            " output_tokens = output_tokens + excluded.output_tokens,"
            " cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,"
            " cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,"
            " micro_usd = micro_usd + excluded.micro_usd,"
            " requests = requests + excluded.requests",
            (agent_id, day, model, *columns),
        )
        if turn_id is not None:
            self._connection.execute(
                "UPDATE turns SET input_tokens = input_tokens + ?,"
                " output_tokens = output_tokens + ?,"
                " cache_read_tokens = cache_read_tokens + ?,"
                " cache_write_tokens = cache_write_tokens + ?,"
                " micro_usd = micro_usd + ?, requests = requests + ? WHERE id = ?",
                (*columns, turn_id),
            )

    def day(self, agent_id: int, day: str) -> Usage:
        return self._sum(
            "SELECT sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),"
            " sum(cache_write_tokens), sum(micro_usd), sum(requests)"
            " FROM usage WHERE agent_id = ? AND day = ?",
            *(agent_id, day),
        )

    def turn(self, turn_id: str) -> Usage:
        return self._sum(
            "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,"
            " micro_usd, requests FROM turns WHERE id = ?",
            turn_id,
        )

    def _sum(self, statement: str, *parameters: int | str) -> Usage:
        row = self._connection.execute(statement, parameters).fetchone()
        return Usage() if row is None or row[0] is None else Usage(*row)


def _columns(usage: Usage) -> UsageColumns:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.micro_usd,
        usage.requests,
    )


def _turn(row: tuple[Any, ...]) -> Turn:
    id_, agent_id, instance, state, models, began_at, ended_at, error, session, last, *used = row
    return Turn(
        id_,
        agent_id,
        instance,
        state,
        tuple(from_json(models)),
        began_at,
        ended_at,
        error,
        session,
        last,
        Usage(*used),
    )
