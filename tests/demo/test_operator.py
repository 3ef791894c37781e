"""The operator's part is played to its end, or ends with the reason why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from hyperhive.demo import operator as operator_module
from hyperhive.demo.operator import Item, play
from hyperhive.demo.part import Part
from hyperhive.protocol.errors import AlreadyResolved, HiveError, RemoteError, Unavailable
from hyperhive.protocol.schema import parse
from tests.support.wait import wait_for

PART = parse(
    Part,
    {
        "task": {"body": "do it"},
        "answers": [{"question": "which", "answer": "this"}],
        "decisions": [
            {"kind": "spawn", "agent": "bad", "decision": "deny", "reason": "no"},
            {"kind": "spawn"},
        ],
        "report": {"matches": r"^done: \d+"},
        "deadline_seconds": 5,
    },
)
SHORT = parse(Part, {"task": {"body": "x"}, "report": {"matches": "y"}, "deadline_seconds": 0.2})


@dataclass
class Desk:
    """An operator's desk: what lies on it, and what was done there."""

    mail: list[dict[str, object]] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)
    wanted: list[dict[str, object]] = field(default_factory=list)
    done: list[tuple[object, ...]] = field(default_factory=list)
    problem: HiveError | None = None
    silent: bool = False
    news: asyncio.Queue[Item] = field(default_factory=asyncio.Queue)

    async def send(self, to: str, body: str) -> None:
        self._do("send", to, body)

    async def questions(self) -> Sequence[Item]:
        return self.asked

    async def answer(self, question_id: int, text: str) -> None:
        self._do("answer", question_id, text)

    async def approvals(self) -> Sequence[Item]:
        return self.wanted

    async def approve(self, approval_id: int) -> None:
        self._do("approve", approval_id)

    async def deny(self, approval_id: int, reason: str) -> None:
        self._do("deny", approval_id, reason)

    async def inbox(self) -> Sequence[Item]:
        return self.mail

    async def events(self, after: int) -> AsyncIterator[Item]:
        assert after == 0
        while not self.silent:
            yield await self.news.get()
        raise Unavailable("no more events")

    def _do(self, *what: object) -> None:
        self.done.append(what)
        if self.problem and what[0] != "send":
            raise self.problem

    def happens(self, kind: str, **data: object) -> None:
        self.news.put_nowait({"kind": kind, "agent": "manager", "data": data})

    def report(self, body: str, sender: str = "manager", number: int = 1) -> None:
        self.mail.append({"id": number, "from": sender, "body": body})
        self.happens("message", body=body)


async def until(desk: Desk, count: int) -> None:
    await wait_for(lambda: len(desk.done) >= count, what=f"{count} acts")


async def test_the_whole_part() -> None:
    desk = Desk(mail=[{"id": 9, "from": "manager", "body": "done: 1, last week"}])
    playing = asyncio.create_task(play(PART, desk))
    await until(desk, 1)
    desk.asked += [
        {"id": 1, "state": "open", "question": "Which one?"},
        {"id": 2, "state": "answered", "question": "which"},
        {"id": 3, "state": "open", "question": "unforeseen"},
    ]
    desk.happens("question")
    await until(desk, 2)
    desk.wanted += [
        {"id": 4, "state": "pending", "kind": "spawn", "agent": "good"},
        {"id": 5, "state": "pending", "kind": "spawn", "agent": "bad"},
        {"id": 6, "state": "pending", "kind": "destroy", "agent": "good"},
        {"id": 7, "state": "checking", "kind": "spawn", "agent": "good"},
    ]
    desk.happens("approval")
    await until(desk, 4)
    desk.report("done: 42, says the wrong one", "bob", 10)
    desk.report("not done: 42", number=11)
    desk.report("Done: 42", number=12)
    outcome = await playing
    assert (outcome.success, outcome.report, outcome.reason) == (True, "Done: 42", "")
    assert desk.done == [
        ("send", "manager", "do it"),
        ("answer", 1, "this"),
        ("approve", 4),
        ("deny", 5, "no"),
    ]


async def test_without_events_the_state_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_module, "POLL_SECONDS", 0.01)
    desk = Desk(silent=True)
    playing = asyncio.create_task(play(PART, desk))
    await until(desk, 1)
    desk.report("done: 1")
    assert (await playing).success


async def test_no_report_in_time() -> None:
    desk = Desk()
    desk.happens("turn_ended", result="failed", error="overloaded")
    outcome = await play(SHORT, desk)
    assert not outcome.success
    assert outcome.reason == ("no report within 0.2 s; last seen: manager turn failed: overloaded")


async def test_nothing_at_all_in_time() -> None:
    assert (await play(SHORT, Desk())).reason == "no report within 0.2 s; last seen: nothing"


async def test_events_that_break_off_are_told() -> None:
    outcome = await play(SHORT, Desk(silent=True))
    assert outcome.reason.endswith("last seen: the stream of events broke off: no more events")


@pytest.mark.parametrize(
    "problem",
    [
        AlreadyResolved("a person was faster", "answered"),
        RemoteError("already_resolved", "a person was faster", {}),
    ],
)
async def test_a_person_may_be_faster(problem: HiveError) -> None:
    desk = Desk(
        asked=[{"id": 1, "question": "which"}], wanted=[{"id": 2, "kind": "spawn"}], problem=problem
    )
    playing = asyncio.create_task(play(PART, desk))
    await until(desk, 3)
    desk.report("done: 1")
    assert (await playing).success
    assert [what for what, *_ in desk.done] == ["send", "answer", "approve"]


@pytest.mark.parametrize(
    "problem", [Unavailable("nobody answers"), RemoteError("not_found", "nobody answers", {})]
)
async def test_a_failure_ends_the_play_with_its_reason(problem: HiveError) -> None:
    desk = Desk(asked=[{"id": 1, "question": "which"}], problem=problem)
    outcome = await play(PART, desk)
    assert outcome.reason == "the operator's part failed: nobody answers"


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    await play(SHORT, Desk())
    playing = asyncio.create_task(play(PART, Desk()))
    await asyncio.sleep(0)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert asyncio.all_tasks() == before
