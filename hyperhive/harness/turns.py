"""The turn loop: asks the host for mail, lets the agent answer it, tells the host how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from hyperhive.harness.agent import Agent
from hyperhive.harness.envelope import render_envelope
from hyperhive.harness.link import Link
from hyperhive.harness.options import Options
from hyperhive.harness.orders import CurrentTurn, Orders
from hyperhive.harness.session_events import SessionError, TurnOutcome, bounded
from hyperhive.harness.turn_log import TurnLog
from hyperhive.harness.watch import Watch
from hyperhive.protocol.answers import TurnStart
from hyperhive.protocol.errors import HiveError, InvalidField
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import TurnEnd, TurnEvent

log = logging.getLogger(__name__)

MAX_ERROR = 4_096  # bytes, the limit of TurnEnd.error
FLUSH_SECONDS = 1.0
"""For the events of a turn that is left behind when the harness is told to end."""


class TurnLoop:
    """One turn after the other; never asks a model for something to do.

    `prepare` comes before each; it never raises, and is bounded in time.
    """

    def __init__(
        self,
        link: Link,
        orders: Orders,
        agent: Agent,
        options: Options,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._link = link
        self._orders = orders
        self._agent = agent
        self._options = options
        self._prepare = prepare
        self._loop = asyncio.get_running_loop()
        self._idle_since = self._loop.time()

    async def run(self) -> None:
        """Take turns until cancelled; a turn under way is then left to be delivered again."""
        while True:
            self._orders.wake.clear()
            await self._forget_if_told()
            pause = await self._take_turn()
            if pause > 0:
                await self._rest(pause)

    async def _take_turn(self) -> float:
        """Returns the seconds after which to ask again: 0 after a turn, as more may be waiting."""
        current = self._orders.current = CurrentTurn(str(uuid.uuid4()))
        try:
            answer = await self._link.insist("turn_begin", {"turn": current.id})
            start = parse(TurnStart, answer, "turn_begin")
            if not start.messages:
                return min(start.retry_after or self._options.poll, self._options.poll)
            current.begun = True
            await self._forget_if_told()  # it may have been told while we asked
            await self._work(current, start)
        except InvalidField as error:
            await self._report(current, TurnEnd(turn=current.id, result="failed", error=str(error)))
        except HiveError as error:
            log.error("no turn: %s", error)
            return self._options.poll
        finally:
            self._orders.current = None
        return 0.0

    async def _forget_if_told(self) -> None:
        if self._orders.new_session:
            self._orders.new_session = False
            await self._agent.new()

    async def _work(self, current: CurrentTurn, start: TurnStart) -> None:
        turn_log = TurnLog(self._link, current.id)
        sender = asyncio.create_task(turn_log.run(), name="turn log")
        try:
            end = await self._think(current, start, turn_log)
            if current.reason == "lost":
                log.warning("turn %s is no longer ours: the host gave its mail back", current.id)
                return
            await turn_log.drained()
            await self._report(current, end)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await turn_log.drained()
            raise
        finally:
            self._idle_since = self._loop.time()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _think(self, current: CurrentTurn, start: TurnStart, turn_log: TurnLog) -> TurnEnd:
        watch = Watch(current, self._options.turn_silence, self._options.turn_limit)

        def report(event: TurnEvent) -> None:
            watch.heard()
            turn_log.add(event)

        guard = asyncio.create_task(watch.run(self._agent.interrupt), name="turn watch")
        try:
            if self._prepare is not None:
                await self._prepare()
            outcome = await self._agent.answer(render_envelope(start.messages), start, report)
        except (SessionError, OSError) as error:  # the disk may be full
            outcome = TurnOutcome(status="failed", text=str(error))
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
        return _end(current, outcome)

    async def _report(self, current: CurrentTurn, end: TurnEnd) -> None:
        """Until the host has it, however often it restarts; told twice, it counts once."""
        log.info("turn %s: %s %s", current.id, end.result, end.error)
        try:
            await self._link.insist("turn_end", asdict(end))
        except HiveError as error:
            log.error("the host does not want the end of turn %s: %s", current.id, error)

    async def _rest(self, seconds: float) -> None:
        """Until there may be something to do; Claude's process goes when it was idle for long."""
        ask_at = self._loop.time() + seconds
        while self._loop.time() < ask_at:
            release_at = self._idle_since + self._options.idle_release
            next_at = min(ask_at, release_at) if self._agent.warm else ask_at
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_at):
                    await self._orders.wake.wait()
                    return
            if self._agent.warm and self._loop.time() >= release_at:
                log.info("idle: Claude's process is released")
                await self._agent.release()


def _end(current: CurrentTurn, outcome: TurnOutcome) -> TurnEnd:
    """A result that came before an interrupt took hold counts."""
    if outcome.clean:
        return TurnEnd(turn=current.id, result="clean", session=outcome.session_id)
    if current.reason == "cancelled":
        return TurnEnd(turn=current.id, result="cancelled", session=outcome.session_id)
    error = _BROKEN_OFF.get(current.reason or "", outcome.text) or outcome.status
    return TurnEnd(
        turn=current.id,
        result="failed",
        error=bounded(error.replace("\0", ""), MAX_ERROR),
        session=outcome.session_id,
    )


_BROKEN_OFF = {
    "silent": "broken off: Claude gave no sign of life for too long",
    "too_long": "broken off: the turn took too long",
}
