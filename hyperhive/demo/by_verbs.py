"""The operator's part through a client that calls named verbs, as `admin.sock` has them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from hyperhive.demo.operator import Item
from hyperhive.protocol.model import OPERATOR


class Verbs(Protocol):
    """A client of `admin.sock`."""

    async def call(self, verb: str, **arguments: object) -> Mapping[str, object]: ...

    def events(self, after: int) -> AsyncIterator[Item]: ...


class VerbOperator:
    """Fits such a client to what a play needs; see `operator.Operator` for the methods."""

    def __init__(self, client: Verbs) -> None:
        self._client = client

    async def send(self, to: str, body: str) -> object:
        return await self._client.call("send", to=to, body=body, key=str(uuid.uuid4()))

    async def questions(self) -> Sequence[Item]:
        listed = await self._list("questions")
        return [item for item in listed if item.get("target", OPERATOR) == OPERATOR]

    async def answer(self, question_id: int, text: str) -> object:
        return await self._client.call("answer", id=question_id, answer=text)

    async def approvals(self) -> Sequence[Item]:
        return await self._list("approvals")

    async def approve(self, approval_id: int) -> object:
        return await self._client.call("approve", id=approval_id)

    async def deny(self, approval_id: int, reason: str) -> object:
        return await self._client.call("deny", id=approval_id, reason=reason)

    async def inbox(self) -> Sequence[Item]:
        listed = await self._client.call("inbox")
        return _items(listed.get("messages"))

    async def events(self, after: int) -> AsyncIterator[Item]:
        """The log names messages by id only; here their events also have the body."""
        async for event in self._client.events(after):
            data = event.get("data")
            if event.get("kind") == "message" and isinstance(data, Mapping):
                yield {**event, "data": {**data, "body": await self._body(data.get("id"))}}
            else:
                yield event

    async def _list(self, verb: str) -> Sequence[Item]:
        return _items((await self._client.call(verb)).get(verb))

    async def _body(self, message: object) -> str:
        flow = _items((await self._client.call("messages")).get("messages"))
        return next((str(item.get("body", "")) for item in flow if item.get("id") == message), "")


def _items(value: object) -> list[Item]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
