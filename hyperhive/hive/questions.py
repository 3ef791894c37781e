"""Questions to the operator and between agents: asked, answered once, or over at their deadline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyperhive.hive.clock import Clock, deadline_in, iso, passed
from hyperhive.hive.mail import (
    OPERATOR_SENDER,
    Sender,
    check_hops,
    count_hops,
    notify,
    once,
    retract,
)
from hyperhive.hive.policy import Policy, may_write, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import OPERATOR_ID, SYSTEM_ID, Agent, Question, QuestionState
from hyperhive.protocol.errors import (
    AlreadyResolved,
    Forbidden,
    InvalidField,
    NotFound,
    QueueFull,
)
from hyperhive.protocol.model import EVERYONE, OPERATOR, Capability
from hyperhive.protocol.verbs import Ask

_TEXT: dict[QuestionState, str] = {
    "expired": "[expired]",
    "cancelled": "[cancelled]",
    "withdrawn": "[withdrawn]",
}

DEADLINE = Sender(SYSTEM_ID, "deadline", "system")
"""Who resolves a question that nobody has answered in time."""


class Questions:
    """The first resolution wins; everybody later is told what it was."""

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    async def ask(self, asker: Sender, request: Ask, *capabilities: Capability) -> dict[str, Any]:
        """Store a question and return {id} at once; the asker gets the resolution by mail.

        Raises Forbidden for an unknown or not allowed target, QueueFull when too many are open,
        LoopDetected, and Conflict for a key that was used for something else.
        """

        def change(tx: Transaction) -> dict[str, Any]:
            agent = (
                require(tx.agents.get(asker.id), *capabilities) if asker.kind == "agent" else None
            )
            return once(
                tx,
                self._clock,
                asker.id,
                request.key,
                request,
                lambda: {"id": self._ask(tx, asker, agent, request).id},
            )

        return await self._store.write(change)

    def _ask(self, tx: Transaction, asker: Sender, agent: Agent | None, request: Ask) -> Question:
        target = self._target(tx, agent, request.to)
        hops = 0
        if agent is not None:
            limits = self._policy.mail
            if len(tx.questions.open(asker_id=agent.id)) >= limits.open_questions:
                raise QueueFull(f"{limits.open_questions} of your questions are open; cancel some")
            hops = max(1, count_hops(tx, agent.id))
            if target is not None:
                check_hops(hops, limits.max_hops)
        return self._add(tx, asker, target, request, hops)

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

    def _add(
        self, tx: Transaction, asker: Sender, target: Agent | None, request: Ask, hops: int
    ) -> Question:
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
            notify(tx, self._clock, target, "question_asked", asked, hops)
        return question

    async def answer(self, answerer: Sender, question_id: int, answer: str) -> Question:
        """Answer as the one who was asked, or as the operator, who may answer any question.

        Raises AlreadyResolved with the resolution that came first; Forbidden (NotFound for the
        operator) when there is no such question for this answerer.
        """

        def change(tx: Transaction) -> Question:
            question = self._open_question(tx, answerer, question_id, "target_id")
            return self._resolve(tx, question, "answered", answer, answerer)

        return await self._store.write(change)

    async def cancel(self, actor: Sender, question_id: int) -> Question:
        """End a question without an answer: its asker withdraws it, or the operator cancels it."""

        def change(tx: Transaction) -> Question:
            question = self._open_question(tx, actor, question_id, "asker_id")
            return self._resolve(tx, question, "cancelled", "", actor)

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
        # The ticker may be a second late; the deadline is not.
        late = question.deadline is not None and passed(question.deadline, self._clock)
        state = "expired" if question.state == "open" and late else question.state
        if state != "open":
            raise AlreadyResolved(f"question {question_id} is {state}", state)
        return question

    async def expire(self) -> int:
        """Resolve every question whose deadline has passed; returns how many."""

        def due(tx: Transaction) -> list[Question]:
            opened = tx.questions.open()
            return [q for q in opened if q.deadline and passed(q.deadline, self._clock)]

        def change(tx: Transaction) -> int:
            late = due(tx)
            for question in late:
                self._resolve(tx, question, "expired", "", DEADLINE)
            return len(late)

        if not await self._store.read(lambda tx: bool(due(tx))):
            return 0
        return await self._store.write(change, essential=True)

    def withdraw_for(self, tx: Transaction, agent: Agent) -> None:
        """The agent is being purged: nobody waits for its questions, nobody will answer them."""
        for question in tx.questions.open(asker_id=agent.id):
            self._resolve(tx, question, "withdrawn", "", OPERATOR_SENDER)
        for question in tx.questions.open(target_id=agent.id):
            self._resolve(tx, question, "withdrawn", "", OPERATOR_SENDER)

    def _resolve(
        self, tx: Transaction, question: Question, state: QuestionState, answer: str, by: Sender
    ) -> Question:
        now = self._clock.now()
        resolved = replace(question, state=state, answer=answer, answerer=by.name, resolved_at=now)
        tx.questions.save(resolved)
        _log(tx, self._clock, resolved)
        retract(tx, self._clock, question.target_id, "question_asked", {"id": question.id}, state)
        self._tell(tx, resolved, by)
        if by == OPERATOR_SENDER:
            tx.audit.append(OPERATOR, f"question.{state}", f"question {question.id}", answer, now)
        return resolved

    def _tell(self, tx: Transaction, resolved: Question, by: Sender) -> None:
        asker = tx.agents.get(resolved.asker_id)
        if asker is None and by == OPERATOR_SENDER:
            return  # it is the operator who asked
        told = {
            "id": resolved.id,
            "question": resolved.question,
            "answer": _TEXT.get(resolved.state, resolved.answer),
            "status": resolved.state,
        }
        if resolved.target_id == OPERATOR_ID:
            notify(tx, self._clock, asker, "operator_answered", told)
        else:
            hops = max(1, count_hops(tx, by.id)) if by.kind == "agent" else 0
            told["answerer"] = by.name
            notify(tx, self._clock, asker, "question_answered", told, hops)


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
