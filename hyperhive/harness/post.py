"""A way to the host without a link: one `POST /v1/<verb>` per call, for MCP clients and by hand."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from hyperhive.harness.requests import complete
from hyperhive.protocol.errors import InvalidFrame, TooLarge, Unavailable, from_json
from hyperhive.protocol.verbs import VERBS
from hyperhive.protocol.wire import MAX_DOCUMENT, dumps, loads, loads_object

MAX_ANSWER = 16 * 1024 * 1024
PATIENCE = 30.0
"""Seconds a call waits for a host that is away, and for an answer beyond the wait it asked for."""
PAUSE = 0.2


class PostCaller:
    """Calls verbs on the socket. What `recv` returned is acknowledged by the next `recv`."""

    def __init__(self, socket: Path, patience: float = PATIENCE) -> None:
        self._socket = socket
        self._patience = patience
        self._instance = str(uuid.uuid4())
        self._handled: list[int] = []

    async def __aenter__(self) -> PostCaller:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        headers = {"Content-Type": "application/json"}
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    def fill_in(self) -> Mapping[str, object]:
        return {
            "key": str(uuid.uuid4()),
            "instance": self._instance,
            "ack": tuple(self._handled),
        }

    async def call(self, verb: str, args: Mapping[str, object]) -> Any:
        """Returns the verb's result; raises the host's refusal as RemoteError, or Unavailable."""
        body = dumps(args).encode()
        if len(body) > MAX_DOCUMENT:
            raise TooLarge(f"{verb}: more than {MAX_DOCUMENT} bytes")
        wait = args.get("wait_seconds")
        patience = self._patience + (wait if isinstance(wait, (int, float)) else 0)
        try:
            async with asyncio.timeout(patience):
                result = await self._post_until_answered(verb, body)
        except TimeoutError:
            raise Unavailable(f"{verb}: no answer from the host within {patience:g} s") from None
        if verb == "recv":
            self._handled = _deliveries(result)
        return result

    async def _post_until_answered(self, verb: str, body: bytes) -> Any:
        """A host that restarts refuses or breaks connections; the key makes repeating harmless."""
        while True:
            try:
                async with self._session.post(f"http://hive/v1/{verb}", data=body) as response:
                    answer = await response.read()
                    return _result(response.status, answer)
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(PAUSE)


async def call_once(socket: Path, verb: str, arguments: Mapping[str, object]) -> Any:
    """One call by hand; raises HiveError."""
    async with PostCaller(socket) as caller:
        cls = VERBS[verb].arguments
        return await caller.call(verb, complete(cls, arguments, caller.fill_in()))


def _deliveries(messages: object) -> list[int]:
    listed = messages if isinstance(messages, list) else []
    return [m["delivery"] for m in listed if isinstance(m, dict) and "delivery" in m]


def _result(status: int, answer: bytes) -> Any:
    if status == 200:
        return loads(answer, limit=MAX_ANSWER)
    try:
        error = loads_object(answer)
    except InvalidFrame:
        raise Unavailable(f"the host answered with status {status}") from None
    raise from_json(error.get("error", error))
