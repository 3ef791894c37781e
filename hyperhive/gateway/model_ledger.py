"""Books what an answer used and what a refusal means, whatever becomes of the request."""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType

from hyperhive.gateway.model_estimate import input_tokens, output_tokens
from hyperhive.gateway.model_usage import Meter
from hyperhive.hive.records import HoldReason, Usage
from hyperhive.hive.spending import Admission, Spending
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)

_ERRORS: dict[str, HoldReason] = {
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "authentication_error": "credential",
    "permission_error": "credential",
}


class Bill:
    """Of one request, as a context manager around it: booked once, at the latest at its end."""

    def __init__(self, spending: Spending, admission: Admission, body: bytes) -> None:
        self.meter = Meter()
        self._spending = spending
        self._admission = admission
        self._body = body
        self._booked = False
        self._held = False
        self._began = time.monotonic()

    async def __aenter__(self) -> Bill:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.finish()
        left = kind is not None and issubclass(kind, (asyncio.CancelledError, ConnectionError))
        if left and not self._booked:
            # The agent left; the model's servers may have read it all, and gone on writing.
            await self._book(await asyncio.to_thread(self._estimate))

    def _estimate(self) -> Usage:
        seconds = time.monotonic() - self._began
        return Usage(
            input_tokens=input_tokens(self._body), output_tokens=output_tokens(self._body, seconds)
        )

    async def finish(self) -> None:
        """Nothing more will come: book what was counted, if anything was."""
        if self.meter.started and not self._booked:
            await self._book(self.meter.used)

    async def settle(self) -> None:
        """Before the agent sees the end of the answer: what it asks next is judged by the sums."""
        if self.meter.complete and not self._booked:
            await self._book(self.meter.used)
        if self.meter.error is not None and not self._held:
            self._held = True
            reason = _ERRORS.get(str(self.meter.error.get("type")))
            if reason is not None:
                detail = str(self.meter.error.get("message", ""))
                await hold(self._spending, self._admission.agent_id, reason, None, detail)

    async def _book(self, used: Usage) -> None:
        self._booked = True
        try:
            await self._spending.record(self._admission, used)
        except HiveError as error:
            log.error("usage of agent %d is lost: %s", self._admission.agent_id, error.message)


async def hold(
    spending: Spending, agent_id: int, reason: HoldReason, reset_at: float | None, detail: str
) -> None:
    """Hold the agent's inbox, before the agent itself learns of the refusal."""
    try:
        await spending.upstream_refused(agent_id, reason, reset_at, detail[:500])
    except HiveError as error:
        log.error("agent %d: %s is not recorded: %s", agent_id, reason, error.message)
