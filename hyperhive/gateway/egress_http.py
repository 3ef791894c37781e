"""One request for `http://...`: taken apart, asked anew of the checked address, and answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from hyperhive.gateway.connection import BUFFER_BYTES
from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.gateway.egress_passages import Passage
from hyperhive.gateway.limits import EgressLimits
from hyperhive.protocol.hosts import Address, HostPort

_OF_THE_CONNECTION = frozenset(
    (
        *("connection", "expect", "host", "keep-alive", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)
"""Headers that are not sent on (RFC 9110, 7.6.1), besides `Proxy-` and what Connection names."""
_FRAMING = frozenset({"content-length"})
"""Not dropped, whatever Connection names: the body would be read as something else."""
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class _Checked(AbstractResolver):
    """Knows the addresses that were checked, and looks nothing up."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [_result(address, host, port) for address in self._addresses]

    async def close(self) -> None:
        pass


async def exchange(
    request: web.Request,
    passage: Passage,
    addresses: Sequence[Address],
    rest: str,
    limits: EgressLimits,
) -> web.StreamResponse:
    """`rest` is path and query. Raises EgressRefused before the answer has begun."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) > 1:
        raise EgressRefused(400, "a request has one Host")
    async with _session(addresses, limits) as session:
        try:
            answer = await session.request(
                request.method,
                _url(passage.target, rest),
                headers=_kept(request.headers),
                data=_body(request, passage) if request.can_read_body else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(request, passage.target, error) from None
        async with answer:
            if answer.status < 200:
                raise EgressRefused(502, f"{passage.target} answers with another protocol")
            return await _answer(request, answer, passage, limits.idle_seconds)


def _session(addresses: Sequence[Address], limits: EgressLimits) -> aiohttp.ClientSession:
    """For one request: no cookies, no proxy, no connection that another agent has used."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_Checked(addresses), use_dns_cache=False, force_close=True
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_AUTOMATIC,
        auto_decompress=False,
        read_bufsize=BUFFER_BYTES,
        timeout=aiohttp.ClientTimeout(
            total=None, connect=limits.connect_seconds, sock_read=limits.idle_seconds
        ),
    )


def _result(address: Address, host: str, port: int) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=0, flags=0
    )


def _url(target: HostPort, rest: str) -> URL:
    """As it came: nothing is decoded or encoded on the way."""
    authority = str(target).removesuffix(":80")
    return URL(f"http://{authority}{rest}", encoded=True)


def _kept(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = ",".join(headers.getall("Connection", [])).lower().split(",")
    dropped = _OF_THE_CONNECTION | {name.strip() for name in named} - _FRAMING
    return CIMultiDict(
        (name, _encodable(value))
        for name, value in headers.items()
        if name.lower() not in dropped and not name.lower().startswith("proxy-")
    )


def _encodable(value: str) -> str:
    """Bytes that are not UTF-8 come as lone surrogates, which nobody could send on."""
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def _body(request: web.Request, passage: Passage) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        await passage.send(len(chunk))
        yield chunk


def _failure(request: web.Request, target: HostPort, error: Exception) -> EgressRefused:
    if request.content.exception() is not None:
        return EgressRefused(400, "the body is not well-formed HTTP")
    if isinstance(error, TimeoutError):
        return EgressRefused(504, f"{target} does not answer")
    return EgressRefused(502, f"{target} cannot be connected to, or does not speak HTTP")


def _reason(answer: aiohttp.ClientResponse) -> str | None:
    reason = answer.reason
    return reason if reason and reason.isascii() and reason.isprintable() else None


async def _answer(
    request: web.Request, answer: aiohttp.ClientResponse, passage: Passage, idle_seconds: float
) -> web.StreamResponse:
    """Once begun it cannot become an error: a client whose answer breaks off is cut off."""
    response = web.StreamResponse(
        status=answer.status, reason=_reason(answer), headers=_kept(answer.headers)
    )
    response.force_close()
    try:
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            async with asyncio.timeout(idle_seconds):
                await response.write(chunk)
            await passage.receive(len(chunk))
        async with asyncio.timeout(idle_seconds):
            await response.write_eof()
    except (aiohttp.ClientError, OSError):  # TimeoutError too
        passage.cut()
        raise ConnectionResetError("an answer broke off") from None
    return response
