"""One HTTP client for the model's servers."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from hyperhive.gateway.limits import ModelLimits
from hyperhive.gateway.model_errors import UpstreamDown

log = logging.getLogger(__name__)

_FAILURES = (aiohttp.ClientError, OSError, TimeoutError)


class Upstream:
    """`url` is https://HOST, or for tests http://127.0.0.1:PORT or unix:/PATH.

    No proxy, no cookies, no redirects: the key goes to the one host that was configured.
    """

    def __init__(self, url: str, limits: ModelLimits) -> None:
        self._limits = limits
        self._path = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._base = "http://localhost" if self._path else url.rstrip("/")
        self._place = self._path or urlsplit(self._base).netloc
        self._reached = True
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(self._path, limit=0)
            if self._path
            else aiohttp.TCPConnector(limit=0)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept"),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=self._limits.connect_seconds,
                sock_read=self._limits.idle_seconds,
            ),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def post(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer once its head is there; leaving the block ends it. Raises UpstreamDown."""
        assert self._session is not None, "the gateway is used before it was entered"
        try:
            answer = await self._session.post(
                self._base + path, data=io.BytesIO(body), headers=headers, allow_redirects=False
            )
        except _FAILURES as error:
            raise self._no_answer(error) from None
        self._reached = True
        try:
            yield answer
        finally:
            answer.close()

    def _no_answer(self, error: BaseException) -> UpstreamDown:
        """There is no answer: told in the log when that begins, not for each request."""
        down = _down(error)
        if (cause := _no_connection(error)) is not None:
            down.detail = f"the model's API cannot be reached: {self._place}: {cause}"
        if self._reached:
            log.warning("%s", down.detail)
        self._reached = False
        return down


async def pieces(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises UpstreamDown when it breaks off."""
    try:
        async for piece in answer.content.iter_any():
            yield piece
    except _FAILURES as error:
        raise _down(error) from None


async def whole(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body. Raises UpstreamDown, also when it is longer than `limit`."""
    body = bytearray()
    async with aclosing(pieces(answer)) as stream:
        async for piece in stream:
            body += piece
            if len(body) > limit:
                raise UpstreamDown(f"the model's API answers with over {limit} bytes")
    return bytes(body)


def _down(error: BaseException) -> UpstreamDown:
    """Names the kind of failure only: texts of errors may quote what was sent."""
    return UpstreamDown(f"the model's API does not answer ({type(error).__name__})")


def _no_connection(error: BaseException) -> str | None:
    """Why there was none, if there was none, in words of our own or of strerror(3)."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS fails"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return None
    return os.strerror(error.errno).lower() if error.errno else "no connection"
