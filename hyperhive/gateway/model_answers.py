"""Hands answers of the model's servers on to the agent: streams, whole messages and refusals."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import aclosing

import aiohttp
from aiohttp import web

from hyperhive.gateway.limits import ModelLimits
from hyperhive.gateway.model_errors import UpstreamDown
from hyperhive.gateway.model_headers import kept_headers
from hyperhive.gateway.model_ledger import Bill, hold
from hyperhive.gateway.model_resets import reset_time
from hyperhive.gateway.model_upstream import pieces, whole
from hyperhive.gateway.model_usage import EventReader
from hyperhive.hive.hive import Hive
from hyperhive.hive.records import HoldReason

log = logging.getLogger(__name__)

_MAX_ERROR = 64 * 1024

_REASONS: dict[int, HoldReason] = {
    401: "credential",
    403: "credential",
    429: "rate_limited",
    502: "overloaded",
    503: "overloaded",
    504: "overloaded",
    529: "overloaded",
}
_FINAL = (401, 403, 429, 529)
"""Trying again at once is of no use: the agent's inbox is held instead."""


class Answers:
    """`secret` is kept out of whatever goes back."""

    def __init__(self, hive: Hive, secret: str, limits: ModelLimits) -> None:
        self._hive = hive
        self._secret = secret
        self._limits = limits

    async def counted(
        self, request: web.Request, answer: aiohttp.ClientResponse, bill: Bill, agent_id: int
    ) -> web.StreamResponse:
        """The answer to a request for a message."""
        if answer.status != 200:
            return await self._refusal(answer, agent_id)
        if answer.content_type == "text/event-stream":
            return await self._stream(request, answer, bill)
        body = await whole(answer, self._limits.answer_bytes)
        bill.meter.see_message(_read(body))
        await bill.settle()
        return web.Response(body=body, headers=kept_headers(answer.headers))

    async def uncounted(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """The answer to a request that costs nothing: a refusal of it holds no inbox."""
        if answer.status != 200:
            return await self._refusal(answer, None)
        body = await whole(answer, self._limits.answer_bytes)
        return web.Response(body=body, headers=kept_headers(answer.headers))

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, bill: Bill
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=kept_headers(answer.headers))
        await response.prepare(request)
        events = EventReader()
        try:
            async with aclosing(pieces(answer)) as stream:
                async for piece in stream:
                    for data in events.feed(piece):
                        bill.meter.see_event(data)
                    await bill.settle()
                    async with asyncio.timeout(self._limits.write_seconds):
                        await response.write(piece)
            await bill.finish()
            await response.write_eof()
        except (UpstreamDown, TimeoutError) as error:
            # A proper end would make a fragment look whole.
            log.warning("a stream broke off: %r", error)
            await bill.finish()
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _refusal(self, answer: aiohttp.ClientResponse, agent_id: int | None) -> web.Response:
        if answer.status < 400:
            raise UpstreamDown(f"the model's API answered with {answer.status}")
        body = await whole(answer, _MAX_ERROR)
        error = _error_of(body, answer.status)
        message = str(error.get("message", "")).replace(self._secret, "[key]")
        reason = _REASONS.get(answer.status)
        if reason is not None and agent_id is not None:
            reset_at = reset_time(answer.headers, self._hive.clock.now())
            await hold(self._hive.spending, agent_id, reason, reset_at, message)
        headers = kept_headers(answer.headers)
        headers["Content-Type"] = "application/json"
        if answer.status in _FINAL:
            headers["x-should-retry"] = "false"
        shown = {"type": "error", "error": {"type": str(error.get("type")), "message": message}}
        return web.Response(status=answer.status, text=json.dumps(shown), headers=headers)


def _read(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _error_of(body: bytes, status: int) -> Mapping[str, object]:
    """The API's own words; something in between may answer in another form."""
    document = _read(body)
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        return error
    return {"type": "api_error", "message": f"the model's API answered with status {status}"}
