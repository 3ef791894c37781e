"""An agent's side of its socket, as raw or as polite as a test needs it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

Json = dict[str, Any]


class Refused(Exception):
    """The `error` of a response."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code = error["code"]
        self.field = error.get("field")


class LinkClient:
    """A link, from hello to its end. `pushes` has what came down unasked."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.pushes: list[Json] = []
        self.welcome: Json = {}
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def hello(self, instance: str, **more: object) -> Json:
        frame = {"type": "hello", "protocol": 1, "instance": instance, **more}
        await self.ws.send_json(frame)
        message = await self.ws.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.TEXT, (message, self.ws.close_code)
        self.welcome = json.loads(message.data)
        self._reader = asyncio.create_task(self._read())
        return self.welcome

    async def _read(self) -> None:
        async for message in self.ws:
            frame = json.loads(message.data)
            if frame["type"] == "push":
                self.pushes.append(frame)
            else:
                self._answers.pop(frame["id"]).set_result(frame)
        for waiting in self._answers.values():
            waiting.set_exception(ConnectionError(f"closed with {self.ws.close_code}"))
            waiting.exception()  # whoever waited gets it, nobody else has to

    def start(self, verb: str, **args: object) -> asyncio.Future[Any]:
        """Sends a request; the future is the response frame."""
        number = next(self._ids)
        return self.send({"type": "request", "id": number, "verb": verb, "args": args}, number)

    def send(self, frame: Json, number: int) -> asyncio.Future[Any]:
        answer = self.expect(number)
        self._sending = asyncio.ensure_future(self.ws.send_json(frame))
        return answer

    def expect(self, number: int) -> asyncio.Future[Any]:
        """The response frame with this id, whoever sends the request."""
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        return answer

    async def call(self, verb: str, **args: object) -> Any:
        """The result; raises Refused."""
        return result_of(await asyncio.wait_for(self.start(verb, **args), 10))

    async def ended(self) -> tuple[int | None, str]:
        """Waits for the end of the connection; close code and reason."""
        if self._reader is not None:
            await asyncio.wait_for(self._reader, 10)
        return self.ws.close_code, ""

    async def close(self) -> None:
        await self.ws.close()
        if self._reader is not None:
            await self._reader


def result_of(frame: Json) -> Any:
    if not frame["ok"]:
        raise Refused(frame["error"])
    return frame["result"]


class Client:
    """Connects to one agent's socket."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    @asynccontextmanager
    async def http(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            yield session

    @asynccontextmanager
    async def raw_link(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.http() as http, http.ws_connect("http://hive/v1/link") as ws:
            yield ws

    @asynccontextmanager
    async def link(self, instance: str = "", **more: object) -> AsyncIterator[LinkClient]:
        """A link that said hello."""
        async with self.raw_link() as ws:
            link = LinkClient(ws)
            await link.hello(instance or str(uuid.uuid4()), **more)
            try:
                yield link
            finally:
                await link.close()

    async def call(self, verb: str, **args: object) -> Any:
        """By POST; raises Refused."""
        async with self.http() as http, http.post(f"http://hive/v1/{verb}", json=args) as answer:
            document = await answer.json()
            if answer.status != 200:
                raise Refused(document["error"])
            return document

    async def bytes_out(self, data: bytes, *, end: bool = False) -> bytes:
        """Sends bytes as they are and returns all that comes back until the host closes."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
