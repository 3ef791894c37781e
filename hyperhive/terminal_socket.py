"""A terminal over a WebSocket, as every surface of the operator serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from hyperhive.hive.ports import Terminal
from hyperhive.hive.terminals import Terminals
from hyperhive.protocol.errors import HiveError, InvalidField, TooLarge, Unavailable
from hyperhive.protocol.schema import parse
from hyperhive.protocol.terminal import (
    ENDED,
    MAX_FRAME,
    REFUSED,
    WINDOW,
    Control,
    Open,
    reason,
)
from hyperhive.protocol.wire import dumps, loads

PING_SECONDS = 20.0
"""A viewer that does not answer a ping within half of it is gone."""
CLOSE_SECONDS = 2.0
SEEN_SECONDS = 5.0
"""How long a viewer may take to acknowledge the last of the output."""
_PIECE = 4096
"""Bytes that a terminal takes at once; acknowledged together."""

T = TypeVar("T")


def order_of(request: web.Request) -> Open:
    """What the query asks for. Raises InvalidField."""
    query: dict[str, object] = dict(request.query)
    if len(query) < len(request.query):
        name = next(name for name in query if len(request.query.getall(name)) > 1)
        raise InvalidField(name, "is given more than once")
    for name in ("rows", "columns"):
        text = request.query.get(name)
        if text is not None:
            query[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else text
    return parse(Open, query)


async def serve(
    request: web.Request,
    terminals: Terminals,
    agent: str,
    where: str,
    until: Callable[[], Awaitable[str]],
) -> web.WebSocketResponse:
    """Open a terminal and connect it until either side ends, or `until` returns why it must.

    What is refused once the WebSocket is open is its close reason: browsers show nothing else.
    """
    order = order_of(request)
    socket = web.WebSocketResponse(
        heartbeat=PING_SECONDS,
        timeout=CLOSE_SECONDS,
        max_msg_size=MAX_FRAME + 1,  # aiohttp refuses what is as long
        compress=False,
    )
    await socket.prepare(request)
    try:
        async with terminals.opened(agent, order, where) as terminal:
            connection = _Connection(socket, terminal)
            try:
                code, said = await connection.run(until)
                if terminals.stopped:
                    code, said = REFUSED, "the service is stopping"
                await _close(request, socket, code, said)
            finally:
                await connection.end()
    except HiveError as error:
        await _close(request, socket, REFUSED, error.message)
    return socket


async def forever() -> str:
    """For `until`, where only the two sides end a connection."""
    never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    return await never


async def _close(request: web.Request, socket: web.WebSocketResponse, code: int, said: str) -> None:
    """A viewer that takes nothing any more is cut off."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(2 * CLOSE_SECONDS):
            await socket.close(code=code, message=reason(said).encode())
            return
    if request.transport is not None:
        request.transport.abort()


class _Window:
    """Room for so many bytes."""

    def __init__(self) -> None:
        self.left = WINDOW
        self._changed = asyncio.Event()

    def give(self, count: int) -> None:
        if count > WINDOW - self.left:
            raise InvalidField("ack", "is more than was sent")
        self.left += count
        self._changed.set()

    async def room(self, count: int) -> None:
        while self.left < count:
            self._changed.clear()
            await self._changed.wait()


class _Connection:
    """Copies both ways. What is held is bounded: by the window, and by what may be typed ahead."""

    def __init__(self, socket: web.WebSocketResponse, terminal: Terminal) -> None:
        self._socket = socket
        self._terminal = terminal
        self._shown = _Window()
        self._typed = bytearray()
        self._more = asyncio.Event()
        self._receiving = asyncio.create_task(_returning(self._receive(), (ENDED, "closed")))

    async def run(self, until: Callable[[], Awaitable[str]]) -> tuple[int, str]:
        """Returns the close code and reason. Raises what the viewer does wrong, as HiveError.

        It is listened to until `end`.
        """
        tasks = [
            asyncio.create_task(_returning(self._show(), (ENDED, "the shell has ended"))),
            self._receiving,
            asyncio.create_task(_ordered(until)),
            asyncio.create_task(_returning(self._wait(), (ENDED, "the shell has ended"))),
        ]
        typing = asyncio.create_task(self._type())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task.done()).result()
        finally:
            await _cancelled(tasks[0], *tasks[2:], typing)

    async def end(self) -> None:
        await _cancelled(self._receiving)

    async def _show(self) -> None:
        """From the terminal, which is read only when the viewer has room."""
        with suppress(ConnectionError):
            while True:
                await self._shown.room(MAX_FRAME)
                data = await self._terminal.read()
                if not data:
                    await self._seen()
                    return
                self._shown.left -= len(data)
                await self._socket.send_bytes(data)

    async def _wait(self) -> None:
        """A viewer that acknowledges nothing keeps no terminal that has ended."""
        await self._terminal.over()
        await asyncio.sleep(SEEN_SECONDS)

    async def _seen(self) -> None:
        """Closing a connection that has more to be read resets it, and its last words are lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEN_SECONDS):
                await self._shown.room(WINDOW)

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                self._take(message.data)
            elif message.type is WSMsgType.TEXT:
                self._obey(_control(message.data))

    def _take(self, data: bytes) -> None:
        if len(self._typed) + len(data) > WINDOW:
            raise TooLarge(f"at most {WINDOW} bytes may be typed ahead")
        self._typed += data
        self._more.set()

    def _obey(self, control: Control) -> None:
        if control.ack is not None:
            self._shown.give(control.ack)
        if control.resize is not None:
            self._terminal.resize(*control.resize)

    async def _type(self) -> None:
        """To the terminal; its end is seen where it is read."""
        with suppress(ConnectionError, Unavailable):
            while True:
                await self._more.wait()
                self._more.clear()
                while data := bytes(self._typed[:_PIECE]):
                    await self._terminal.write(data)
                    del self._typed[: len(data)]
                    await self._socket.send_str(dumps({"ack": len(data)}))


def _control(text: str) -> Control:
    """Raises InvalidField, InvalidFrame."""
    said = loads(text)
    if not isinstance(said, dict):
        raise InvalidField("control frame", "must be a JSON object with `ack` or `resize`")
    return parse(Control, said)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _returning(work: Awaitable[None], result: T) -> T:
    await work
    return result


async def _ordered(until: Callable[[], Awaitable[str]]) -> tuple[int, str]:
    return REFUSED, await until()
