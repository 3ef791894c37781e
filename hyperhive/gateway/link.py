"""One WebSocket after its hello: requests up, answers and pushes down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from hyperhive.gateway.caller import Caller
from hyperhive.gateway.limits import Limits
from hyperhive.gateway.rate import TokenBucket
from hyperhive.gateway.tasks import Tasks
from hyperhive.gateway.verbs import Verbs
from hyperhive.protocol.errors import HiveError, InvalidField, InvalidFrame, RateLimited
from hyperhive.protocol.link import INVALID, Heartbeat, Request
from hyperhive.protocol.schema import parse
from hyperhive.protocol.wire import dumps, loads_object

log = logging.getLogger(__name__)

MAX_REASON = 123
"""Bytes of the reason in a close frame (RFC 6455, section 5.5)."""


class Link:
    """Serves one harness process. `beat` is called at each of its heartbeats."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        caller: Caller,
        verbs: Verbs,
        bucket: TokenBucket,
        limits: Limits,
        beat: Callable[[], None],
        abort: Callable[[], None],
    ) -> None:
        self.caller = caller
        self.ended = asyncio.Event()
        self._ws = ws
        self._verbs = verbs
        self._bucket = bucket
        self._limits = limits
        self._beat = beat
        self._abort = abort
        self._tasks = Tasks()
        self._pushes: dict[str, dict[str, Any]] = {}
        self._pushed = asyncio.Event()

    async def serve(self, welcome: dict[str, Any]) -> None:
        """Until either side ends it, it falls silent, or it does not read."""
        try:
            await self._send(welcome)
            self._tasks.spawn(self._send_pushes(), f"pushes-{self.caller.name}")
            await self._read()
        except HiveError as error:
            await self.close(INVALID, f"{error.code}: {error.message}")
        finally:
            try:
                await self._tasks.cancel()
            finally:
                self.ended.set()

    async def close(self, code: int, reason: str = "") -> None:
        await close(self._ws, code, reason, self._limits.close_seconds, self._abort)

    def push(self, push: str, data: dict[str, Any]) -> None:
        """Send a hint soon; a newer one of the same kind replaces one that has not left yet."""
        self._pushes[push] = data
        self._pushed.set()

    # --- down ---

    async def _send_pushes(self) -> None:
        while True:
            await self._pushed.wait()
            self._pushed.clear()
            pushes, self._pushes = self._pushes, {}
            for push, data in pushes.items():
                await self._send({"type": "push", "push": push, "data": data})

    async def _send(self, frame: dict[str, Any]) -> None:
        """Who does not read is disconnected; that the link is gone, the reader notices."""
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await self._ws.send_str(dumps(frame))
        except TimeoutError:
            log.warning("%s does not read from its link: closed", self.caller.name)
            self._abort()
        except ConnectionError:
            pass

    # --- up ---

    async def _read(self) -> None:
        while True:
            try:
                message = await self._ws.receive(timeout=self._limits.silence_seconds)
            except TimeoutError:
                raise InvalidFrame("the link was silent for too long") from None
            if message.type in _OVER:
                return
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise InvalidFrame("a frame must be text")
            # Reading no further is what holds a flood back.
            await self._bucket.wait(1 + len(message.data) / 1024)
            await self._take(loads_object(message.data))

    async def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("type") == "request":
            await self._start(frame)
        elif frame.get("type") == "heartbeat":
            parse(Heartbeat, frame)
            self._beat()
        else:
            raise InvalidField("type", "must be request or heartbeat")

    async def _start(self, frame: dict[str, Any]) -> None:
        try:
            request = parse(Request, frame)
            if len(self._tasks) > self._limits.in_flight:  # the pushes are a task too
                raise RateLimited(f"{self._limits.in_flight} requests are under way", 1.0)
        except HiveError as error:
            number = frame.get("id")
            if type(number) is not int or not 0 < number < 2**53:
                raise
            # Not as a task: they would pile up behind a client that does not read.
            await self._send(_refusal(number, error))
        else:
            self._tasks.spawn(self._answer(request), f"{self.caller.name}-{request.verb}")

    async def _answer(self, request: Request) -> None:
        try:
            result = await self._verbs.call(self.caller, request.verb, request.args)
            frame = {"type": "response", "id": request.id, "ok": True, "result": result}
        except HiveError as error:
            frame = _refusal(request.id, error)
        except Exception:
            log.exception("%s of %s failed unexpectedly", request.verb, self.caller.name)
            frame = _refusal(request.id, HiveError("an unexpected error; the host's log has it"))
        await self._send(frame)


_OVER = (
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.ERROR,
)


def _refusal(number: int, error: HiveError) -> dict[str, Any]:
    return {"type": "response", "id": number, "ok": False, "error": error.to_json()}


async def close(
    ws: web.WebSocketResponse, code: int, reason: str, seconds: float, abort: Callable[[], None]
) -> None:
    """Close with a reason; a peer that does not take part in it is cut off."""
    message = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    try:
        async with asyncio.timeout(seconds):
            await ws.close(code=code, message=message)
    except TimeoutError:
        abort()
