"""The operator's part of a play without a person, over `admin.sock`."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from hyperhive.admin.client import AdminClient
from hyperhive.cli.demo_trouble import last_words, trouble
from hyperhive.cli.telling import Teller
from hyperhive.demo import operator
from hyperhive.demo.part import Part


async def play(part: Part, client: AdminClient, log: Callable[[], Awaitable[Sequence[str]]]) -> int:
    """Prints the transcript as it happens; the exit code is 0 when the report has arrived."""
    teller = Teller(client)
    telling = asyncio.create_task(teller.run())
    try:
        outcome = await _outcome(part, AdminOperator(client, teller.tell))
        await teller.reach(await _settled(client) if outcome.success else 0)
    finally:
        telling.cancel()
        await asyncio.wait([telling])
    click.echo("\n".join(["", *teller.transcript.summary()]))
    if not outcome.success:
        click.echo("\n".join(await last_words(client, await log())), err=True)
        raise click.ClickException(outcome.reason)
    return 0


async def _outcome(part: Part, desk: AdminOperator) -> operator.Outcome:
    """Of the play, or the trouble that keeps it from going on."""
    playing = asyncio.create_task(operator.play(part, desk))
    watching = asyncio.create_task(trouble(desk.client))
    tasks = (playing, watching)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return playing.result() if playing.done() else operator.Outcome(None, watching.result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _settled(client: AdminClient) -> int:
    """The last event's number once no agent is in a turn, or after a while."""
    for _ in range(50):
        status = await client.call("status")
        if not any(agent["turn"] for agent in status["agents"]):
            break
        await asyncio.sleep(0.1)
    return int(status["last_event"])


@dataclass(frozen=True, slots=True)
class AdminOperator:
    """What the part's player can do, each one verb; a change is looked at before it is approved."""

    client: AdminClient
    tell: Callable[[Mapping[str, object]], None] = lambda event: None
    """Told what the operator has seen, as an event."""

    async def send(self, to: str, body: str) -> object:
        return await self.client.call("send", to=to, body=body, key=uuid.uuid4().hex)

    async def questions(self) -> Sequence[Mapping[str, object]]:
        rows: list[dict[str, Any]] = (await self.client.call("questions"))["questions"]
        return [q for q in rows if q["target"] == "operator"]

    async def answer(self, question_id: int, text: str) -> object:
        return await self.client.call("answer", id=question_id, answer=text)

    async def approvals(self) -> Sequence[Mapping[str, object]]:
        rows: list[dict[str, Any]] = (await self.client.call("approvals"))["approvals"]
        return rows

    async def approve(self, approval_id: int) -> object:
        view = await self.client.call("diff", id=approval_id)
        if view["commit"] is None:
            return await self.client.call("approve", id=approval_id)
        self.tell({"kind": "looked", "at": time.time(), "data": view})
        return await self.client.call("approve", id=approval_id, commit=view["commit"])

    async def deny(self, approval_id: int, reason: str) -> object:
        return await self.client.call("deny", id=approval_id, reason=reason)

    async def inbox(self) -> Sequence[Mapping[str, object]]:
        rows: list[dict[str, Any]] = (await self.client.call("inbox"))["messages"]
        return rows

    def events(self, after: int) -> AsyncIterator[Mapping[str, object]]:
        return self.client.events(after)
