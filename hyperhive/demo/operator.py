"""Plays the operator's part of a scenario through whatever talks to a running swarm."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hyperhive.demo.fields import FLAGS
from hyperhive.demo.narration import one_line
from hyperhive.demo.part import Deciding, Part
from hyperhive.protocol.errors import AlreadyResolved, HiveError, RemoteError

Item = Mapping[str, object]

POLL_SECONDS = 2.0
"""How often the state is read when no event says that it has changed."""

_NEWS = frozenset({"message", "question", "approval"})
"""Kinds of events after which there may be something to do."""


class Operator(Protocol):
    """What an operator can do. Items are JSON objects as the admin API gives them.

    Every method raises HiveError when it fails, and none waits for ever but `events`.
    """

    async def send(self, to: str, body: str) -> object: ...

    async def questions(self) -> Sequence[Item]:
        """Questions to the operator: id, state, asker, question."""

    async def answer(self, question_id: int, text: str) -> object: ...

    async def approvals(self) -> Sequence[Item]:
        """id, kind, state, agent."""

    async def approve(self, approval_id: int) -> object: ...

    async def deny(self, approval_id: int, reason: str) -> object: ...

    async def inbox(self) -> Sequence[Item]:
        """Messages to the operator: id, from, body."""

    def events(self, after: int) -> AsyncIterator[Item]:
        """Events numbered above `after`, for ever: seq, kind, agent, data."""


@dataclass(frozen=True)
class Outcome:
    """How the play ended: with the report's text, or with the reason why there is none."""

    report: str | None
    reason: str = ""

    @property
    def success(self) -> bool:
        return self.report is not None


async def play(part: Part, operator: Operator) -> Outcome:
    """Give the task, answer and decide as the part says, until the report arrives."""
    playing = _Playing(part, operator)
    watcher = asyncio.create_task(playing.watch())
    try:
        async with asyncio.timeout(part.deadline_seconds):
            return Outcome(await playing.run())
    except TimeoutError:
        waited = f"no report within {part.deadline_seconds:g} s"
        return Outcome(None, f"{waited}; last seen: {playing.last_seen or 'nothing'}")
    except HiveError as error:
        return Outcome(None, f"the operator's part failed: {error.message}")
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])


@dataclass
class _Playing:
    part: Part
    operator: Operator
    last_seen: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _old_mail: frozenset[object] = frozenset()
    _settled: set[tuple[str, int]] = field(default_factory=set)
    """What was answered or decided here: a listing may still be older than that."""

    async def run(self) -> str:
        """Returns the report's text."""
        self._old_mail = frozenset(item.get("id") for item in await self.operator.inbox())
        await self.operator.send(self.part.task.to, self.part.task.body)
        while True:
            self._news.clear()
            if (report := await self._find_report()) is not None:
                return report
            await self._answer_questions()
            await self._decide_approvals()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._news.wait()

    async def watch(self) -> None:
        """Events are hints: when their stream ends, the state is still read every now and then."""
        try:
            async for event in self.operator.events(0):
                self.last_seen = one_line(event) or self.last_seen
                if event.get("kind") in _NEWS:
                    self._news.set()
        except HiveError as error:
            self.last_seen = f"the stream of events broke off: {error.message}"

    async def _find_report(self) -> str | None:
        wanted = self.part.report
        for item in await self.operator.inbox():
            body = str(item.get("body", ""))
            if item.get("id") in self._old_mail or item.get("from") != wanted.sender:
                continue
            if re.search(wanted.matches, body, FLAGS):
                return body
        return None

    async def _answer_questions(self) -> None:
        for item in await self.operator.questions():
            number = self._take("question", item, "open")
            asked = str(item.get("question", ""))
            answers = (a for a in self.part.answers if re.search(a.question, asked, FLAGS))
            if number and (answering := next(answers, None)):
                async with self._settling("question", number):
                    await self.operator.answer(number, answering.answer)

    async def _decide_approvals(self) -> None:
        for item in await self.operator.approvals():
            number = self._take("approval", item, "pending")
            decisions = (d for d in self.part.decisions if _is_about(d, item))
            if number and (deciding := next(decisions, None)):
                async with self._settling("approval", number):
                    await self._decide(number, deciding)

    async def _decide(self, number: int, deciding: Deciding) -> None:
        if deciding.decision == "approve":
            await self.operator.approve(number)
        else:
            await self.operator.deny(number, deciding.reason)

    def _take(self, what: str, item: Item, state: str) -> int | None:
        """The item's id, when it waits for the operator and was not settled here."""
        number = item.get("id")
        if not isinstance(number, int) or item.get("state", state) != state:
            return None
        return None if (what, number) in self._settled else number

    @contextlib.asynccontextmanager
    async def _settling(self, what: str, number: int) -> AsyncIterator[None]:
        """Settle once; a person at the dashboard may have been faster, and that is fine."""
        self._settled.add((what, number))
        try:
            yield
        except AlreadyResolved:
            pass
        except RemoteError as error:
            if error.remote_code != AlreadyResolved.code:
                raise


def _is_about(deciding: Deciding, item: Item) -> bool:
    return deciding.kind == item.get("kind") and deciding.agent in (None, item.get("agent"))
