"""Reads request bodies of hostile clients: bounded in bytes and in time."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hyperhive.protocol.errors import InvalidFrame, TooLarge


async def read_body(request: web.Request, limit: int, seconds: float) -> bytes:
    """The whole body. Raises TooLarge, or InvalidFrame when it is broken, packed or too slow."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidFrame("a Content-Encoding is not accepted")
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"at most {limit} bytes are accepted")
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, limit)
    except TimeoutError:
        raise InvalidFrame(f"the body did not arrive within {seconds:g} s") from None
    except web.RequestPayloadError:
        raise InvalidFrame("the body is not well-formed HTTP") from None


async def _read(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"at most {limit} bytes are accepted")
    return bytes(body)
