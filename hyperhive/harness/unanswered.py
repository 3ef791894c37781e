"""The requests that wait for an answer of the host, whichever connection brings it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from hyperhive.protocol.errors import TooLarge, from_json
from hyperhive.protocol.link import Request
from hyperhive.protocol.wire import MAX_DOCUMENT, dumps


class Unanswered:
    """Each request as its frame, to be sent again just as it was, with the future of its answer."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}

    @contextlib.contextmanager
    def opened(
        self, verb: str, args: Mapping[str, object]
    ) -> Iterator[tuple[str, asyncio.Future[Any]]]:
        """A request and its answer; after the block nobody waits for it any more.

        Raises TooLarge for what the host would not take.
        """
        number = next(self._ids)
        frame = dumps(asdict(Request(id=number, verb=verb, args=dict(args))))
        if len(frame.encode()) > MAX_DOCUMENT:
            raise TooLarge(f"{verb}: more than {MAX_DOCUMENT} bytes")
        self._waiting[number] = frame, asyncio.get_running_loop().create_future()
        try:
            yield self._waiting[number]
        finally:
            del self._waiting[number]

    def frames(self) -> list[str]:
        """What is to be sent on a new connection, oldest first."""
        return [frame for frame, _ in self._waiting.values()]

    def settle(self, response: Mapping[str, Any]) -> None:
        """Take an answer. One that nobody waits for, or a second one, is dropped."""
        number = response.get("id")
        _, answer = self._waiting.get(number, ("", None)) if type(number) is int else ("", None)
        if answer is None or answer.done():
            return
        if response.get("ok") is True:
            answer.set_result(response.get("result"))
        else:
            answer.set_exception(from_json(response.get("error")))
