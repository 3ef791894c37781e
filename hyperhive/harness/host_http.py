"""HTTP on the host's socket, repeated until there is an answer."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from hyperhive.protocol.errors import InvalidFrame, RemoteError, Unavailable, from_json
from hyperhive.protocol.wire import loads_object

PAUSE = 0.2
"""Seconds before a request is repeated."""


class HostHttp:
    """Use it as an async context manager. Whatever is asked must be harmless when repeated."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def __aenter__(self) -> Self:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        patience: float,
        *,
        body: bytes = b"",
        content_type: str = "application/json",
        passing: Collection[str] = (),
    ) -> bytes:
        """The body of the answer. A host that restarts refuses or breaks connections.

        Raises its refusal as RemoteError, those in `passing` only when `patience` (seconds) is
        over; Unavailable when there is none by then.
        """
        refusal: RemoteError | None = None
        try:
            async with asyncio.timeout(patience):
                while True:
                    try:
                        return await self._once(method, path, body, content_type)
                    except (aiohttp.ClientError, OSError):
                        pass
                    except RemoteError as error:
                        if error.remote_code not in passing:
                            raise
                        refusal = error
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            if refusal is not None:
                raise refusal from None
            what = path.rpartition("/")[2].partition("?")[0]
            raise Unavailable(f"{what}: no answer from the host within {patience:g} s") from None

    async def _once(self, method: str, path: str, body: bytes, content_type: str) -> bytes:
        async with self._session.request(
            method,
            f"http://hive{path}",
            data=io.BytesIO(body) if body else None,
            headers={"Content-Type": content_type},
        ) as response:
            answer = await response.read()
            if response.status == 200:
                return answer
            raise _refusal(response.status, answer)


def _refusal(status: int, answer: bytes) -> RemoteError | Unavailable:
    try:
        error = loads_object(answer)
    except InvalidFrame:
        return Unavailable(f"the host answered with status {status}")
    return from_json(error.get("error", error))
