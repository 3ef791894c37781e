"""What a page with a terminal would be: takes what the server sends, and acknowledges it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import WSMsgType

SECONDS = 15.0
PROMPT = rb"[#$] "
PATH = "/agents/alice/terminal"
Client = aiohttp.ClientSession


@dataclass
class Viewer:
    """What a page would be, acknowledging what it shows unless told otherwise."""

    socket: aiohttp.ClientWebSocketResponse
    shown: bytes = b""
    taken: int = 0
    acknowledges: bool = True
    owed: int = 0

    async def control(self, **what: object) -> None:
        await self.socket.send_str(json.dumps(what))

    async def acknowledge(self) -> None:
        await self.control(ack=self.owed)
        self.owed = 0

    async def next(self) -> bool:
        """Take one frame; False at the end."""
        message = await self.socket.receive(timeout=SECONDS)
        if message.type is WSMsgType.BINARY:
            self.shown += message.data
            self.owed += len(message.data)
            if self.acknowledges:
                await self.acknowledge()
        elif message.type is WSMsgType.TEXT:
            self.taken += json.loads(message.data)["ack"]
        return message.type in (WSMsgType.BINARY, WSMsgType.TEXT)

    async def until(self, pattern: bytes) -> re.Match[bytes]:
        while not (found := re.search(pattern, self.shown, re.DOTALL)):
            assert await self.next(), (self.socket.close_code, self.shown[-2000:])
        self.shown = self.shown[found.end() :]
        return found

    async def type(self, text: str) -> None:
        await self.socket.send_bytes(text.encode())

    async def end(self) -> tuple[int | None, str]:
        """Close code and reason."""
        while True:
            message = await self.socket.receive(timeout=SECONDS)
            if message.type is WSMsgType.CLOSE:
                return message.data, str(message.extra)
            if message.type in (WSMsgType.CLOSED, WSMsgType.ERROR):
                return self.socket.close_code, ""


@asynccontextmanager
async def viewing(client: Client, path: str = PATH) -> AsyncIterator[Viewer]:
    async with client.ws_connect(path, autoclose=False) as socket:
        yield Viewer(socket)
