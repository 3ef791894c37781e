"""Rows of questions, approvals and operations."""

from dataclasses import replace

from hyperhive.hive.records import Approval, Operation, Question
from hyperhive.store.transaction import Rows
from tests.store.given import StepClock


def ask(tx: Rows, asker: int = 1, target: int = 0, clock: StepClock | None = None) -> Question:
    deadline = clock.within(60) if clock else None
    return tx.questions.add(
        asker, f"a{asker}", target, f"a{target}", "Which?", ("x", "ü"), True, deadline, 5.0
    )


def test_a_question_comes_back_as_it_was_asked_and_resolved(tx: Rows, clock: StepClock) -> None:
    question = ask(tx, clock=clock)
    assert tx.questions.get(question.id) == question
    assert (question.state, question.options, question.multi) == ("open", ("x", "ü"), True)
    resolved = replace(question, state="answered", answer="x", answerer="operator", resolved_at=9.0)
    tx.questions.save(resolved)
    assert tx.questions.get(question.id) == resolved
    assert tx.questions.get(question.id + 1) is None


def test_open_questions_are_narrowed_by_whatever_is_given(tx: Rows) -> None:
    first, second, third = ask(tx, 1, 0), ask(tx, 2, 0), ask(tx, 1, 2)
    closed = ask(tx, 1, 0)
    tx.questions.save(replace(closed, state="cancelled"))
    assert tx.questions.open() == [first, second, third]
    assert tx.questions.open(asker_id=1) == [first, third]
    assert tx.questions.open(target_id=0) == [first, second]
    assert tx.questions.open(asker_id=1, target_id=2) == [third]
    assert [q.id for q in tx.questions.recent(2)] == [closed.id, third.id]


def request(tx: Rows, agent: str = "bob", requester: int = 1) -> Approval:
    binding = {"sha": "0" * 40, "n": 1, "nested": {"a": [None]}}
    return tx.approvals.add("spawn", requester, "manager", agent, None, "why", binding, 5.0)


def test_an_approval_comes_back_as_it_was_requested_and_resolved(tx: Rows) -> None:
    approval = request(tx)
    assert approval.state == "pending"
    assert tx.approvals.get(approval.id) == approval
    resolved = replace(
        approval,
        state="denied",
        agent_id=3,
        binding={"other": True},
        note="no",
        resolved_by="operator",
        resolved_at=8.0,
    )
    tx.approvals.save(resolved)
    assert tx.approvals.get(approval.id) == resolved
    assert tx.approvals.get(99) is None


def test_open_approvals_are_checking_or_pending(tx: Rows) -> None:
    pending, other = request(tx), request(tx, "carol", 2)
    checking, done = request(tx), request(tx)
    tx.approvals.save(replace(checking, state="checking"))
    tx.approvals.save(replace(done, state="approved"))
    assert [a.id for a in tx.approvals.open()] == [pending.id, other.id, checking.id]
    assert [a.id for a in tx.approvals.open(agent="bob")] == [pending.id, checking.id]
    assert tx.approvals.open(requester_id=2) == [other]
    assert [a.id for a in tx.approvals.recent(2)] == [done.id, checking.id]


def begin(tx: Rows, agent_id: int = 1) -> Operation:
    return tx.operations.add("stop", agent_id, "bob", "operator", 5.0, 7, "inv", True)


def test_an_operation_comes_back_as_it_was_begun_and_ended(tx: Rows) -> None:
    operation = begin(tx)
    assert (operation.approval_id, operation.invocation, operation.purge) == (7, "inv", True)
    assert tx.operations.get(operation.id) == operation
    ended = replace(operation, state="failed", error="e", ended_at=6.0, purge=False)
    tx.operations.save(ended)
    assert tx.operations.get(operation.id) == ended
    assert tx.operations.get(99) is None


def test_open_operations_are_found_by_agent(tx: Rows) -> None:
    first, second, third = begin(tx, 1), begin(tx, 2), begin(tx, 1)
    tx.operations.save(replace(first, state="done"))
    assert tx.operations.open() == [second, third]
    assert tx.operations.open(1) == [third]
