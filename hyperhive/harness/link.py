"""The harness's end of the one WebSocket to the host: reconnects for ever, forgets no request."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from hyperhive import __version__
from hyperhive.harness.unanswered import Unanswered
from hyperhive.protocol.answers import Welcome
from hyperhive.protocol.errors import HiveError, InvalidFrame, RemoteError, Unavailable
from hyperhive.protocol.link import SUPERSEDED, Heartbeat, Hello
from hyperhive.protocol.model import PROTOCOL_VERSION
from hyperhive.protocol.schema import parse
from hyperhive.protocol.wire import dumps, loads_object

log = logging.getLogger(__name__)

MAX_DOWN = 16 * 1024 * 1024
"""Bytes of a frame from the host: 32 bodies of 64 KiB, each byte of them escaped in JSON."""

_PASSING = {"unavailable", "busy", "storage_error", "storage_full", "rate_limited"}
"""Refusals that say nothing about the request: it is worth sending again."""


class Superseded(Exception):
    """Another harness of the same agent said hello after this one."""


class HiveGone(Exception):
    """The directory of the host's socket has not been there for a while."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds."""

    connect: float = 10.0
    """Until a connection is open and the host has said welcome."""
    answer: float = 60.0
    """Until a request that is insisted on is sent anew."""
    again: float = 1.0
    """Pause after a refusal that will pass."""
    ping: float = 30.0
    """Between WebSocket pings: a host that hangs closes no socket."""
    first_pause: float = 0.1
    longest_pause: float = 5.0
    gone: float = 60.0
    """How long the socket's directory may be missing."""


class Listener(Protocol):
    """Whom the link tells what the host says. Called on the loop, between two frames."""

    @property
    def turn(self) -> str | None:
        """The turn under way, named in the next hello."""

    def welcome(self, welcome: Welcome) -> None: ...

    def push(self, push: str, data: Mapping[str, Any]) -> None: ...


class Link:
    """One link, owned by whoever runs `run`.

    Every request carries a key or a turn id, so all unanswered ones are sent again on each new
    connection and the host acts once.
    """

    def __init__(
        self, socket: Path, instance: str, listener: Listener, times: Times | None = None
    ) -> None:
        self._socket = socket
        self._instance = instance
        self._listener = listener
        self._times = times or Times()
        self._unanswered = Unanswered()
        self._ws: ClientConnection | None = None
        self._outage = ""

    async def request(self, verb: str, args: Mapping[str, object], timeout: float) -> Any:
        """Ask the host and return its result, waiting across reconnects for `timeout` seconds.

        Raises the host's refusal as RemoteError; TooLarge; Unavailable when the time is over.
        """
        with self._unanswered.opened(verb, args) as (frame, answer):
            try:
                async with asyncio.timeout(timeout):
                    await self._send(frame)
                    return await answer
            except TimeoutError:
                message = f"{verb}: no answer from the host within {timeout:g} s"
                raise Unavailable(message) from None

    async def insist(self, verb: str, args: Mapping[str, object], wait: float = 0.0) -> Any:
        """Ask until the host has answered for good, however long it is away or out of order.

        `wait` is how many seconds it may take over the answer. Raises its refusal as RemoteError.
        """
        while True:
            try:
                return await self.request(verb, args, self._times.answer + wait)
            except Unavailable as error:
                log.warning("asking again: %s", error)
            except RemoteError as error:
                if error.remote_code not in _PASSING:
                    raise
                log.warning("asking again in %g s: %s: %s", self._times.again, verb, error)
                await asyncio.sleep(self._times.again)

    async def _send(self, frame: str) -> None:
        """A frame that cannot go now goes with the next connection."""
        if self._ws is None:
            return
        try:
            await self._ws.send(frame)
        except WebSocketException as error:
            log.debug("not sent yet: %s", error)

    async def run(self) -> NoReturn:
        """Keep the link up until Superseded or HiveGone is raised."""
        pause, there = self._times.first_pause, time.monotonic()
        while True:
            if await self._connect_once():
                pause = self._times.first_pause
            now = time.monotonic()
            if self._socket.parent.is_dir():
                there = now
            elif now - there > self._times.gone:
                raise HiveGone(f"there is no {self._socket.parent} any more")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, self._times.longest_pause)

    async def _connect_once(self) -> bool:
        """One connection from hello to its end; returns whether the host said welcome."""
        welcomed, ping = False, self._times.ping
        connecting = unix_connect(
            str(self._socket),
            "ws://hive/v1/link",
            max_size=MAX_DOWN,
            ping_interval=ping,
            ping_timeout=ping / 2,
            open_timeout=None,
            close_timeout=1.0,
            compression=None,
        )
        try:
            async with asyncio.timeout(self._times.connect) as opening, connecting as ws:
                welcome = await self._say_hello(ws)
                opening.reschedule(None)
                welcomed = True
                await self._serve(ws, welcome)
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == SUPERSEDED:
                raise Superseded("a newer harness of this agent has taken over the link") from None
            said = error.rcvd
            why = f", code {said.code} {said.reason}" if said is not None else ""
            self._note_outage(f"the host closed the link{why}")
        except (OSError, WebSocketException, HiveError) as error:
            self._note_outage(f"{type(error).__name__}: {error}")
        return welcomed

    async def _say_hello(self, ws: ClientConnection) -> Welcome:
        hello = Hello(
            protocol=PROTOCOL_VERSION,
            instance=self._instance,
            turn=self._listener.turn,
            version=__version__,
        )
        await ws.send(dumps(asdict(hello)))
        return parse(Welcome, loads_object(await _text(ws), limit=MAX_DOWN), "welcome")

    async def _serve(self, ws: ClientConnection, welcome: Welcome) -> NoReturn:
        """Read until the connection ends, while unanswered requests and heartbeats go up."""
        log.info("connected to the host as %s (%s)", welcome.agent, welcome.role)
        self._outage = ""
        self._ws = ws
        frames = self._unanswered.frames()
        writer = asyncio.create_task(_write(ws, frames, welcome.heartbeat_seconds))
        try:
            self._listener.welcome(welcome)
            while True:
                self._receive(await _text(ws))
        finally:
            self._ws = None
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _receive(self, text: str) -> None:
        frame = loads_object(text, limit=MAX_DOWN)
        if frame.get("type") == "response":
            self._unanswered.settle(frame)
        elif frame.get("type") == "push":
            data = frame.get("data")
            self._listener.push(str(frame.get("push")), data if isinstance(data, dict) else {})
        else:
            log.warning("the host sent a frame of unknown type %.40r", frame.get("type"))

    def _note_outage(self, problem: str) -> None:
        """Log a cause once, not at every attempt."""
        if problem != self._outage:
            log.warning("no link to the host: %s", problem)
        self._outage = problem


async def _text(ws: ClientConnection) -> str:
    message = await ws.recv()
    if not isinstance(message, str):
        raise InvalidFrame("the host sent bytes where text is understood")
    return message


async def _write(ws: ClientConnection, frames: Iterable[str], heartbeat: float) -> None:
    """Beside the reader: two sides that both only write would wait for each other."""
    for frame in frames:
        await ws.send(frame)
    while True:
        await ws.send(dumps(asdict(Heartbeat())))
        await asyncio.sleep(heartbeat)
