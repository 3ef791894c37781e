"""A way to the host without a link: one `POST /v1/<verb>` per call, for MCP clients and by hand."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperhive.harness.host_http import HostHttp
from hyperhive.harness.requests import complete
from hyperhive.protocol.errors import TooLarge
from hyperhive.protocol.verbs import VERBS
from hyperhive.protocol.wire import MAX_DOCUMENT, dumps, loads

MAX_ANSWER = 16 * 1024 * 1024
PATIENCE = 30.0
"""Seconds a call waits for a host that is away, and for an answer beyond the wait it asked for."""


class PostCaller(HostHttp):
    """Calls verbs on the socket. What `recv` returned is acknowledged by the next `recv`."""

    def __init__(self, socket: Path, patience: float = PATIENCE) -> None:
        super().__init__(socket)
        self._patience = patience
        self._instance = str(uuid.uuid4())
        self._handled: list[int] = []

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
        # A host that restarts answers late or twice; the key makes repeating harmless.
        answer = await self.ask("POST", f"/v1/{verb}", patience, body=body)
        result = loads(answer, limit=MAX_ANSWER)
        if verb == "recv":
            self._handled = _deliveries(result)
        return result


async def call_once(socket: Path, verb: str, arguments: Mapping[str, object]) -> Any:
    """One call by hand; raises HiveError."""
    async with PostCaller(socket) as caller:
        cls = VERBS[verb].arguments
        return await caller.call(verb, complete(cls, arguments, caller.fill_in()))


def _deliveries(messages: object) -> list[int]:
    listed = messages if isinstance(messages, list) else []
    return [m["delivery"] for m in listed if isinstance(m, dict) and "delivery" in m]
