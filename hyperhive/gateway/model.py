"""The way to the model: checks and counts on the host, the real key only upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from hyperhive.gateway.body import read_body
from hyperhive.gateway.caller import Caller
from hyperhive.gateway.limits import ModelLimits
from hyperhive.gateway.model_answers import Answers
from hyperhive.gateway.model_body import check_body, model_of
from hyperhive.gateway.model_errors import UpstreamDown, error_answer
from hyperhive.gateway.model_headers import check_credential, upstream_headers
from hyperhive.gateway.model_ledger import Bill, hold
from hyperhive.gateway.model_side import ModelSide
from hyperhive.gateway.model_upstream import Upstream
from hyperhive.gateway.rate import TokenBucket
from hyperhive.hive.hive import Hive
from hyperhive.hive.spending import Admission
from hyperhive.protocol.errors import HiveError, RateLimited, TooLarge
from hyperhive.protocol.wire import loads_foreign, values_at_most

T = TypeVar("T")

BYTES_PER_TOKEN, VALUES_PER_TOKEN = 8_192, 250
"""Of a body for the model; a token is a request a second that the agent may do otherwise."""
LARGE = 128 * 1024
"""Bytes of a body above which it is parsed beside the event loop, and one at a time."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A request that may go upstream."""

    path: str
    headers: dict[str, str]
    body: bytes
    admission: Admission


class ModelGateway:
    """Serves `POST /v1/messages` and `/v1/messages/count_tokens` for every agent.

    Use it as an async context manager.
    """

    def __init__(
        self,
        hive: Hive,
        upstream: str,
        credential_kind: str,
        secret: str,
        limits: ModelLimits | None = None,
    ) -> None:
        self._hive = hive
        self._kind = credential_kind
        self._secret = secret
        self._limits = limits or ModelLimits()
        self._upstream = Upstream(upstream, self._limits)
        self._answers = Answers(hive, secret, self._limits)
        self._streams: dict[int, int] = {}
        self._parsing = asyncio.Lock()

    async def __aenter__(self) -> ModelGateway:
        await self._upstream.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._upstream.close()

    async def serve(
        self, request: web.Request, caller: Caller, bucket: TokenBucket
    ) -> web.StreamResponse:
        """Never raises HiveError: refusals are answers in the API's own shape."""
        try:
            with self._slot(caller.agent_id):
                order = await self._examine(request, caller, bucket)
                return await self._forward(request, order)
        except HiveError as error:
            return error_answer(error)

    @contextmanager
    def _slot(self, agent_id: int) -> Iterator[None]:
        used = self._streams.get(agent_id, 0)
        if used >= self._limits.streams:
            raise RateLimited(f"hyperhive: {used} model requests are under way already", 1.0)
        self._streams[agent_id] = used + 1
        try:
            yield
        finally:
            self._streams[agent_id] -= 1
            if not self._streams[agent_id]:
                del self._streams[agent_id]

    # --- what is asked ---

    async def _examine(self, request: web.Request, caller: Caller, bucket: TokenBucket) -> _Order:
        check_credential(request.headers, self._kind)
        body = await self._body(request, bucket)
        if len(body) > LARGE:
            async with self._parsing:
                admission = await self._admit(caller, body, asyncio.to_thread)
        else:
            admission = await self._admit(caller, body, _at_once)
        side = ModelSide(admission.model_side)
        headers = upstream_headers(request.headers, self._kind, self._secret, side)
        query = "?beta=true" if request.query_string == "beta=true" else ""
        return _Order(request.path + query, headers, body, admission)

    async def _body(self, request: web.Request, bucket: TokenBucket) -> bytes:
        """Paid for by what it costs to parse: else a few could keep the host busy."""
        limits = self._limits
        body = await read_body(request, limits.body_bytes, limits.body_seconds)
        values = values_at_most(body)
        await bucket.pay(1 + len(body) / BYTES_PER_TOKEN + values / VALUES_PER_TOKEN)
        if values > limits.body_values:
            raise TooLarge(f"at most {limits.body_values} values are accepted")
        return body

    async def _admit(
        self, caller: Caller, body: bytes, run: Callable[..., Awaitable[Any]]
    ) -> Admission:
        document = await run(loads_foreign, body)
        admission = await self._hive.spending.admit(caller.agent_id, model_of(document))
        await run(check_body, document, ModelSide(admission.model_side))
        return admission

    # --- what is answered ---

    async def _forward(self, request: web.Request, order: _Order) -> web.StreamResponse:
        if request.path != "/v1/messages":
            async with self._post(order) as answer:
                return await self._answers.uncounted(answer)
        agent_id = order.admission.agent_id
        try:
            async with (
                Bill(self._hive.spending, order.admission, order.body) as bill,
                self._post(order) as answer,
            ):
                return await self._answers.counted(request, answer, bill, agent_id)
        except UpstreamDown as error:
            await hold(self._hive.spending, agent_id, "unreachable", None, error.detail)
            raise

    def _post(self, order: _Order) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._upstream.post(order.path, order.headers, order.body)


async def _at_once(function: Callable[..., T], *args: object, **kwargs: object) -> T:
    return function(*args, **kwargs)
