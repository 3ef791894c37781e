"""An agent's link: which harness process has it, and what happens when another one says hello."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from hyperhive.gateway.caller import Caller
from hyperhive.gateway.limits import Limits
from hyperhive.gateway.link import Link, close
from hyperhive.gateway.rate import TokenBucket
from hyperhive.gateway.verbs import Verbs
from hyperhive.hive.hive import Hive
from hyperhive.protocol.errors import HiveError, InvalidFrame, RateLimited, Unsupported
from hyperhive.protocol.link import INVALID, SUPERSEDED, Hello
from hyperhive.protocol.model import PROTOCOL_VERSION
from hyperhive.protocol.schema import parse
from hyperhive.protocol.wire import loads_object

log = logging.getLogger(__name__)


class Line:
    """One agent's way to the host. The newest hello has the link."""

    def __init__(
        self, caller: Caller, hive: Hive, verbs: Verbs, bucket: TokenBucket, limits: Limits
    ) -> None:
        self.caller = caller
        self.link: Link | None = None
        self._hive = hive
        self._verbs = verbs
        self._bucket = bucket
        self._limits = limits
        self._changing = asyncio.Lock()

    async def serve(self, ws: web.WebSocketResponse, abort: Callable[[], None]) -> None:
        """A WebSocket from its hello to its end."""
        try:
            hello = await self._hello(ws)
            link = self._link(ws, hello, abort)
            welcome = await self._take_over(link, hello)
        except HiveError as error:
            reason = f"{error.code}: {error.message}"
            await close(ws, INVALID, reason, self._limits.close_seconds, abort)
            return
        try:
            await link.serve(welcome)
        finally:
            await self._drop(link)

    async def close(self) -> None:
        """The host goes away; the harness will look for it again."""
        if link := self.link:
            await link.close(aiohttp.WSCloseCode.GOING_AWAY, "the host is going away")

    async def _hello(self, ws: web.WebSocketResponse) -> Hello:
        try:
            message = await ws.receive(timeout=self._limits.hello_seconds)
        except TimeoutError:
            raise InvalidFrame(f"no hello within {self._limits.hello_seconds:g} s") from None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise InvalidFrame("the first frame must be a hello")
        hello = parse(Hello, loads_object(message.data))
        if hello.protocol != PROTOCOL_VERSION:
            raise Unsupported(
                f"protocol: the host speaks version {PROTOCOL_VERSION}, not {hello.protocol}; "
                "restart the agent"
            )
        if wait := self._bucket.take():
            raise RateLimited("too many hellos", wait)
        return hello

    def _link(self, ws: web.WebSocketResponse, hello: Hello, abort: Callable[[], None]) -> Link:
        caller = Caller(self.caller.agent_id, self.caller.name, hello.instance)
        beat = partial(self._hive.turns.heartbeat, caller.agent_id, hello.instance)
        return Link(ws, caller, self._verbs, self._bucket, self._limits, beat, abort)

    async def _take_over(self, link: Link, hello: Hello) -> dict[str, Any]:
        """The older link ends first, so that none of its requests comes after the new hello."""
        async with self._changing:
            older, self.link = self.link, None
            try:
                if older is not None:
                    await older.close(SUPERSEDED, "a newer link took over")
                    await older.ended.wait()
                welcome = await self._hive.turns.hello(self.caller.agent_id, hello)
            except BaseException:
                if older is not None:
                    await self._unlinked(older)
                raise
            self.link = link
        return welcome

    async def _drop(self, link: Link) -> None:
        if self.link is link:
            self.link = None
            await self._unlinked(link)

    async def _unlinked(self, link: Link) -> None:
        try:
            await self._hive.turns.unlinked(link.caller.agent_id, link.caller.instance or "")
        except HiveError as error:
            log.warning("%s: the link's end is not recorded: %s", link.caller.name, error.message)
