"""Questions to the operator and between agents: asked, answered once, or over at their deadline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyperhive.hive.clock import Clock, deadline_in, iso, passed
from hyperhive.hive.mail import OPERATOR_SENDER, Sender, notify, once
from hyperhive.hive.policy import may_write, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent, Question, QuestionState
from hyperhive.protocol.errors import AlreadyResolved, Forbidden, InvalidField, NotFound
from hyperhive.protocol.model import EVERYONE, OPERATOR, Capability
from hyperhive.protocol.verbs import Ask

_TEXT: dict[QuestionState, str] = {
    "expired": "[expired]",
    "cancelled": "[cancelled]",
    "withdrawn": "[withdrawn]",
}


class Questions:
    """The first resolution wins; everybody later is told what it was."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def ask(
        self, asker: Sender, request: Ask, capability: Capability | None = None
    ) -> dict[str, Any]:
        """Store a question and return {id} at once; the asker gets the resolution by mail."""

        def change(tx: Transaction) -> dict[str, Any]:
            agent = require(tx.agents.get(asker.id), capability) if asker.kind == "agent" else None
            target = self._target(tx, agent, request.to)
            return once(
                tx,
                self._clock,
                asker.id,
                request.key,
                request,
                lambda: {"id": self._add(tx, asker, target, request).id},
            )

        return await self._store.write(change)

    def _target(self, tx: Transaction, asker: Agent | None, to: str) -> Agent | None:
        """The agent that is asked, or None for the operator."""
        if to == EVERYONE:
            raise InvalidField("to", "a question goes to one agent or to `operator`")
        if to == OPERATOR:
            if asker is None:
                raise InvalidField("to", "the operator cannot ask the operator; name an agent")
            return None
        target = tx.agents.by_name(to)
        if target is None or target.state != "present":
            raise Forbidden(f"there is no agent {to!r} that you may ask")
        if asker is not None and (not may_write(asker, to) or target.id == asker.id):
            raise Forbidden(f"there is no agent {to!r} that you may ask")
        return target

    def _add(self, tx: Transaction, asker: Sender, target: Agent | None, request: Ask) -> Question:
        deadline = deadline_in(self._clock, request.ttl_seconds) if request.ttl_seconds else None
        question = tx.questions.add(
            asker.id,
            asker.name,
            target.id if target else OPERATOR_ID,
            target.name if target else OPERATOR,
            request.question,
            request.options,
            request.multi,
            deadline,
            self._clock.now(),
        )
        _log(tx, self._clock, question)
        if target is not None:
            asked = {
                "id": question.id,
                "asker": asker.name,
                "question": question.question,
                "options": list(question.options),
                "multi": question.multi,
                "deadline": iso(deadline.wall) if deadline else None,
            }
            notify(tx, self._clock, target, "question_asked", asked)
        return question

    async def answer(self, answerer: Sender, question_id: int, answer: str) -> Question:
        """Answer as the one who was asked, or as the operator, who may answer any question.

        Raises AlreadyResolved with the resolution that came first; Forbidden (NotFound for the
        operator) when there is no such question for this answerer.
        """

        def change(tx: Transaction) -> Question:
            question = self._open_question(tx, answerer, question_id, "target_id")
            return self._resolve(tx, question, "answered", answer, answerer.name)

        return await self._store.write(change)

    async def cancel(self, actor: Sender, question_id: int) -> Question:
        """End a question without an answer: its asker withdraws it, or the operator cancels it."""

        def change(tx: Transaction) -> Question:
            question = self._open_question(tx, actor, question_id, "asker_id")
            return self._resolve(tx, question, "cancelled", "", actor.name)

        return await self._store.write(change)

    def _open_question(
        self, tx: Transaction, actor: Sender, question_id: int, whose: str
    ) -> Question:
        question = tx.questions.get(question_id)
        if actor == OPERATOR_SENDER:
            if question is None:
                raise NotFound(f"there is no question {question_id}")
        elif question is None or getattr(question, whose) != actor.id:
            raise Forbidden
        if (
            question.state == "open"
            and question.deadline
            and passed(question.deadline, self._clock)
        ):
            # The ticker may be a second late; the deadline is not.
            question = self._resolve(tx, question, "expired", "", "deadline")
        if question.state != "open":
            raise AlreadyResolved(f"question {question_id} is {question.state}", question.state)
        return question

    async def expire(self) -> int:
        """Resolve every question whose deadline has passed; returns how many."""

        def due(tx: Transaction) -> list[Question]:
            opened = tx.questions.open()
            return [q for q in opened if q.deadline and passed(q.deadline, self._clock)]

        def change(tx: Transaction) -> int:
            late = due(tx)
            for question in late:
                self._resolve(tx, question, "expired", "", "deadline")
            return len(late)

        return await self._store.write(change) if await self._store.read(due) else 0

    def withdraw_for(self, tx: Transaction, agent: Agent) -> None:
        """The agent is being purged: nobody waits for its questions, nobody will answer them."""
        for question in tx.questions.open(asker_id=agent.id):
            self._resolve(tx, question, "withdrawn", "", OPERATOR)
        for question in tx.questions.open(target_id=agent.id):
            self._resolve(tx, question, "withdrawn", "", OPERATOR)

    def _resolve(
        self, tx: Transaction, question: Question, state: QuestionState, answer: str, by: str
    ) -> Question:
        resolved = replace(
            question, state=state, answer=answer, answerer=by, resolved_at=self._clock.now()
        )
        tx.questions.save(resolved)
        _log(tx, self._clock, resolved)
        if asker := tx.agents.get(resolved.asker_id):
            told = {
                "id": resolved.id,
                "question": resolved.question,
                "answer": answer if state == "answered" else _TEXT[state],
                "status": state,
            }
            if resolved.target_id == OPERATOR_ID:
                notify(tx, self._clock, asker, "operator_answered", told)
            else:
                notify(tx, self._clock, asker, "question_answered", {**told, "answerer": by})
        if by == OPERATOR:
            tx.audit.append(
                OPERATOR, f"question.{state}", f"question {resolved.id}", answer, self._clock.now()
            )
        return resolved


def _log(tx: Transaction, clock: Clock, question: Question) -> None:
    data = {
        "id": question.id,
        "state": question.state,
        "asker": question.asker,
        "target": question.target,
        "question": question.question[:2_000],
        "answer": question.answer[:2_000],
        "answerer": question.answerer,
    }
    tx.events.append("question", question.asker, data, clock.now())
