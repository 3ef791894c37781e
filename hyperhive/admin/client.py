"""Calls the verbs of `admin.sock`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from hyperhive.protocol.errors import Unavailable, from_json

CALL_SECONDS = 200.0
"""Longer than the longest verb, a `debug_recv` that waits."""


class NoService(Unavailable):
    """Nobody answers at the socket; the message names it and the remedy."""


class AdminClient(AbstractAsyncContextManager["AdminClient"]):
    """One connection pool to one service. Raises RemoteError with the service's own words."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AdminClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(self._socket)),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """One verb. Raises NoService."""
        assert self._session is not None, "use it as an async context manager"
        try:
            async with self._session.post(f"http://admin/v1/{verb}", json=arguments) as response:
                return _unwrap(await response.json())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unavailable(error) from None

    async def events(self, after: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Events from the one after `after` on (default: from now), for ever.

        A last item `{"reset": true}` says that the place is no longer in the log.
        """
        assert self._session is not None, "use it as an async context manager"
        query = {} if after is None else {"after": str(after)}
        forever = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with self._session.get(
                "http://admin/v1/events", params=query, timeout=forever
            ) as response:
                if response.status != 200:
                    _unwrap(await response.json())
                async for line in response.content:
                    yield json.loads(line)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: BaseException) -> NoService:
        cause = str(error) or type(error).__name__
        return NoService(
            f"no hyperhive service answers at {self._socket} ({cause}); "
            "is it running, and may you use its socket?"
        )


def _unwrap(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Unavailable("the service's answer cannot be read")
    if "error" in document and isinstance(document["error"], dict):
        raise from_json(document["error"])
    return document
