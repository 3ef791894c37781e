"""Rows of what waits for somebody's decision or for an act: questions, approvals, operations."""

from __future__ import annotations

import sqlite3
from typing import Any

from hyperhive.hive.records import (
    Approval,
    ApprovalKind,
    ApprovalState,
    Deadline,
    Operation,
    OperationKind,
    Question,
)
from hyperhive.store.columns import from_deadline, from_json, to_deadline, to_json
from hyperhive.store.numbers import next_number


class Questions:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self,
        asker_id: int,
        asker: str,
        target_id: int,
        target: str,
        question: str,
        options: tuple[str, ...],
        multi: bool,
        deadline: Deadline | None,
        now: float,
    ) -> Question:
        cursor = self._connection.execute(
            "INSERT INTO questions (asker_id, asker, target_id, target, question, options, multi,"
            " state, asked_at, deadline_wall, deadline_boot, deadline_boottime, answer, answerer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, '', '')",
            (
                *(asker_id, asker, target_id, target, question, to_json(options), multi),
                *(now, *from_deadline(deadline)),
            ),
        )
        assert cursor.lastrowid is not None
        return Question(
            id=cursor.lastrowid,
            asker_id=asker_id,
            asker=asker,
            target_id=target_id,
            target=target,
            question=question,
            options=options,
            multi=multi,
            state="open",
            asked_at=now,
            deadline=deadline,
        )

    def get(self, question_id: int) -> Question | None:
        found = self._questions("SELECT * FROM questions WHERE id = ?", question_id)
        return found[0] if found else None

    def save(self, question: Question) -> None:
        self._connection.execute(
            "UPDATE questions SET question = ?, options = ?, multi = ?, state = ?,"
            " deadline_wall = ?, deadline_boot = ?, deadline_boottime = ?,"
            " answer = ?, answerer = ?, resolved_at = ? WHERE id = ?",
            (
                *(question.question, to_json(question.options), question.multi, question.state),
                *from_deadline(question.deadline),
                *(question.answer, question.answerer, question.resolved_at, question.id),
            ),
        )

    def open(self, *, asker_id: int | None = None, target_id: int | None = None) -> list[Question]:
        return self._questions(
            "SELECT * FROM questions WHERE state = 'open' AND asker_id = ifnull(?, asker_id)"
            " AND target_id = ifnull(?, target_id) ORDER BY id",
            *(asker_id, target_id),
        )

    def recent(self, limit: int = 50) -> list[Question]:
        return self._questions("SELECT * FROM questions ORDER BY id DESC LIMIT ?", limit)

    def _questions(self, statement: str, *parameters: int | None) -> list[Question]:
        rows = self._connection.execute(statement, parameters).fetchall()
        return [_question(row) for row in rows]


class Approvals:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self,
        kind: ApprovalKind,
        requester_id: int,
        requester: str,
        agent: str,
        agent_id: int | None,
        description: str,
        binding: dict[str, Any],
        now: float,
        state: ApprovalState = "pending",
    ) -> Approval:
        number = next_number(self._connection)
        self._connection.execute(
            "INSERT INTO approvals (id, kind, state, requester_id, requester, agent, agent_id,"
            " description, binding, requested_at, note, resolved_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '')",
            (
                *(number, kind, state, requester_id, requester, agent, agent_id, description),
                *(to_json(binding), now),
            ),
        )
        return Approval(
            id=number,
            kind=kind,
            state=state,
            requester_id=requester_id,
            requester=requester,
            agent=agent,
            agent_id=agent_id,
            description=description,
            binding=binding,
            requested_at=now,
        )

    def get(self, approval_id: int) -> Approval | None:
        found = self._approvals("SELECT * FROM approvals WHERE id = ?", approval_id)
        return found[0] if found else None

    def save(self, approval: Approval) -> None:
        self._connection.execute(
            "UPDATE approvals SET state = ?, agent = ?, agent_id = ?, description = ?,"
            " binding = ?, note = ?, resolved_by = ?, resolved_at = ? WHERE id = ?",
            (
                *(approval.state, approval.agent, approval.agent_id, approval.description),
                *(to_json(approval.binding), approval.note, approval.resolved_by),
                *(approval.resolved_at, approval.id),
            ),
        )

    def open(self, *, agent: str | None = None, requester_id: int | None = None) -> list[Approval]:
        return self._approvals(
            "SELECT * FROM approvals WHERE state IN ('checking', 'pending')"
            " AND agent = ifnull(?, agent) AND requester_id = ifnull(?, requester_id) ORDER BY id",
            *(agent, requester_id),
        )

    def recent(self, limit: int = 50, requester_id: int | None = None) -> list[Approval]:
        return self._approvals(
            "SELECT * FROM approvals WHERE requester_id = ifnull(?, requester_id)"
            " ORDER BY id DESC LIMIT ?",
            *(requester_id, limit),
        )

    def _approvals(self, statement: str, *parameters: int | str | None) -> list[Approval]:
        rows = self._connection.execute(statement, parameters).fetchall()
        return [_approval(row) for row in rows]


class Operations:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self,
        kind: OperationKind,
        agent_id: int,
        agent: str,
        actor: str,
        now: float,
        approval_id: int | None = None,
        invocation: str | None = None,
        purge: bool = False,
    ) -> Operation:
        cursor = self._connection.execute(
            "INSERT INTO operations (kind, agent_id, agent, state, actor, begun_at, approval_id,"
            " invocation, purge, error) VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, '')",
            (kind, agent_id, agent, actor, now, approval_id, invocation, purge),
        )
        assert cursor.lastrowid is not None
        return Operation(
            id=cursor.lastrowid,
            kind=kind,
            agent_id=agent_id,
            agent=agent,
            state="open",
            actor=actor,
            begun_at=now,
            approval_id=approval_id,
            invocation=invocation,
            purge=purge,
        )

    def get(self, operation_id: int) -> Operation | None:
        found = self._operations("SELECT * FROM operations WHERE id = ?", operation_id)
        return found[0] if found else None

    def save(self, operation: Operation) -> None:
        self._connection.execute(
            "UPDATE operations SET state = ?, approval_id = ?, invocation = ?, purge = ?,"
            " error = ?, ended_at = ? WHERE id = ?",
            (
                *(operation.state, operation.approval_id, operation.invocation, operation.purge),
                *(operation.error, operation.ended_at, operation.id),
            ),
        )

    def open(self, agent_id: int | None = None) -> list[Operation]:
        return self._operations(
            "SELECT * FROM operations WHERE state = 'open' AND agent_id = ifnull(?, agent_id)"
            " ORDER BY id",
            agent_id,
        )

    def _operations(self, statement: str, *parameters: int | None) -> list[Operation]:
        rows = self._connection.execute(statement, parameters).fetchall()
        return [_operation(row) for row in rows]


def _question(row: tuple[Any, ...]) -> Question:
    id_, asker_id, asker, target_id, target, question, options, multi, state, *rest = row
    asked_at, wall, boot, boottime, answer, answerer, resolved_at = rest
    return Question(
        *(id_, asker_id, asker, target_id, target, question, tuple(from_json(options))),
        *(bool(multi), state, asked_at, to_deadline((wall, boot, boottime))),
        *(answer, answerer, resolved_at),
    )


def _approval(row: tuple[Any, ...]) -> Approval:
    id_, kind, state, requester_id, requester, agent, agent_id, description, binding, *rest = row
    return Approval(
        *(id_, kind, state, requester_id, requester, agent, agent_id, description),
        *(from_json(binding), *rest),
    )


def _operation(row: tuple[Any, ...]) -> Operation:
    id_, kind, agent_id, agent, state, actor, begun_at, approval_id, invocation, purge, *rest = row
    return Operation(
        *(id_, kind, agent_id, agent, state, actor, begun_at, approval_id, invocation),
        *(bool(purge), *rest),
    )
