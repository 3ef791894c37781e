"""Senders and receivers that remember every promise the service made them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

RETRY_SECONDS = 0.02
CALL_SECONDS = 10.0


class Refused(Exception):
    """The service answered, and said no."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Ledger:
    """What was promised and what came; `violations` names each broken promise."""

    accepted: dict[str, int] = field(default_factory=dict)
    """Body -> message id, as acknowledged to its sender."""
    received: set[str] = field(default_factory=set)
    acked: set[int] = field(default_factory=set)
    """Deliveries whose acknowledgement was confirmed."""
    last: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(lambda: -1))
    violations: list[str] = field(default_factory=list)

    def accept(self, body: str, message_id: int) -> None:
        if self.accepted.setdefault(body, message_id) != message_id:
            self.violations.append(f"{body} was accepted twice, as two messages")

    def receive(self, recipient: str, message: dict[str, Any]) -> None:
        if message["delivery"] in self.acked:
            self.violations.append(f"{message['body']} came after it was acknowledged")
        self.received.add(message["body"])
        sender, _, number = message["body"].split(":")
        if message["attempt"] == 1:
            if int(number) < self.last[sender, recipient]:
                self.violations.append(f"{message['body']} came out of order")
            self.last[sender, recipient] = int(number)


class Client:
    """One agent's end of its socket: calls are repeated until the service answers."""

    def __init__(self, socket: Path) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket)),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(self, verb: str, give_up: Callable[[], bool], **args: Any) -> Any:
        """The answer, however long it takes; Refused for an error, CancelledError to give up."""
        while True:
            try:
                async with self._session.post(f"http://hive/v1/{verb}", json=args) as response:
                    document = await response.json()
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                if give_up():
                    raise asyncio.CancelledError from None
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if isinstance(document, dict) and (error := document.get("error")):
                if error["code"] in ("unavailable", "busy", "rate_limited", "queue_full"):
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                raise Refused(error["code"])
            return document


@dataclass
class Traffic:
    """Runs while the service is killed under it. `pause` is between two sends of one sender."""

    senders: dict[str, Path]
    receivers: dict[str, Path]
    pause: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)
    sending: bool = True
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _over: bool = False

    def begin(self) -> None:
        starts = [self._send(name, path) for name, path in self.senders.items()]
        starts += [self._receive(name, path) for name, path in self.receivers.items()]
        self._tasks = [asyncio.create_task(start) for start in starts]

    async def end(self) -> None:
        """Give up whatever is under way."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    @property
    def missing(self) -> set[str]:
        """Accepted and not received yet."""
        return self.ledger.accepted.keys() - self.ledger.received

    def count(self) -> int:
        """How many messages were accepted."""
        self.fault()
        return len(self.ledger.accepted)

    def fault(self) -> None:
        """A client that failed must not pass for one that is quiet."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _send(self, name: str, path: Path) -> None:
        client = Client(path)
        recipients = list(self.receivers)
        try:
            for number in itertools.count():
                if not self.sending:
                    return
                to = random.choice(recipients)
                body = f"{name}:{to}:{number}"
                key = f"{name}-{number}"
                answer = await client.call("send", self._give_up, to=to, body=body, key=key)
                self.ledger.accept(body, answer["id"])
                await asyncio.sleep(self.pause)
        finally:
            await client.close()

    def _give_up(self) -> bool:
        return self._over

    async def _receive(self, name: str, path: Path) -> None:
        client = Client(path)
        handled: list[int] = []
        try:
            for number in itertools.count():
                request = {"instance": f"receiver-{name}", "max": 32, "wait_seconds": 0.5}
                try:
                    answer = await client.call(
                        "recv", self._give_up, **request, key=f"recv-{number}", ack=handled
                    )
                except Refused as refused:
                    self.ledger.violations.append(f"{name} cannot settle its mail: {refused}")
                    handled = []
                    continue
                self.ledger.acked.update(handled)
                for message in answer:
                    self.ledger.receive(name, message)
                handled = [message["delivery"] for message in answer]
        finally:
            await client.close()
