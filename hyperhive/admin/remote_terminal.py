"""The far end of a terminal that `admin.sock` serves: see hyperhive/protocol/terminal.py."""

from __future__ import annotations

import asyncio

from aiohttp import ClientWebSocketResponse, WSMsgType

from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.terminal import ENDED, MAX_FRAME, WINDOW
from hyperhive.protocol.wire import dumps, loads_object


class RemoteTerminal:
    """One task has to read all the time: what it hears gives the one that writes its room."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._owed = 0
        self._room = WINDOW
        self._more_room = asyncio.Event()
        self._closed = False

    async def read(self) -> bytes:
        """What the shell wrote; empty at its end. Asking again says that the last was taken.

        Raises Unavailable with the reason when it ended otherwise.
        """
        if self._owed:
            await self._send({"ack": self._owed})
            self._owed = 0
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                self._owed = len(message.data)
                return bytes(message.data)
            if message.type is not WSMsgType.TEXT:
                return self._end(message.extra)
            self._room += int(loads_object(message.data).get("ack", 0))
            self._more_room.set()

    def _end(self, reason: object) -> bytes:
        self._room = WINDOW
        self._more_room.set()
        if self._socket.close_code != ENDED and not self._closed:
            raise Unavailable(str(reason or "the connection to the service was lost"))
        return b""

    async def write(self, data: bytes) -> None:
        """Waits until there is room for all of it; what comes after the end is dropped."""
        for at in range(0, len(data), MAX_FRAME):
            piece = data[at : at + MAX_FRAME]
            while self._room < len(piece):
                self._more_room.clear()
                await self._more_room.wait()
            self._room -= len(piece)
            if not self._socket.closed:
                await self._socket.send_bytes(piece)

    async def resize(self, rows: int, columns: int) -> None:
        await self._send({"resize": [rows, columns]})

    async def _send(self, control: dict[str, object]) -> None:
        if not self._socket.closed:
            await self._socket.send_str(dumps(control))

    async def close(self) -> None:
        self._closed = True
        await self._socket.close()
