"""The network as the proxy's tests see it: names that lead to loopback, servers listening there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web

from hyperhive.gateway.egress_addresses import Addresses, is_refused
from hyperhive.gateway.egress_passages import Passage
from hyperhive.gateway.limits import EgressLimits
from hyperhive.hive import hive as rules
from hyperhive.hive.policy import AgentPolicy
from hyperhive.protocol.bundle import AgentSettings, Egress
from hyperhive.protocol.hosts import Address
from tests.gateway.world import World, policy, running

INTERNET = ip_address("127.0.0.1")
"""The one address that counts as public here."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Names:
    """A name server; what it does not know it does not find. `asked` is what was looked up."""

    known: dict[str, Sequence[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def resolve(self, name: str, agent_id: int) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.known:
            raise OSError("name not found")
        return self.known[name]


def is_elsewhere(address: Address) -> bool:
    return address != INTERNET and is_refused(address)


@dataclass
class Net:
    world: World
    names: Names

    async def allow(self, *entries: str) -> None:
        """Other settings of alice, as a deploy brings them."""
        store, clock = self.world.hive.store, self.world.clock
        changed = rules.build(store, clock, policy(alice=may_reach(*entries)), "api_key")
        await changed.recover()

    @property
    def passages(self) -> list[Passage]:
        """What is open, of all agents."""
        return [p for mine in self.world.egress._passages._open.values() for p in mine]

    async def audited(self) -> list[tuple[str, str]]:
        """Actor and detail of what was denied, oldest first."""
        entries = await self.world.hive.store.read(lambda tx: tx.audit.recent())
        return [(e.actor, e.detail) for e in reversed(entries) if e.action == "egress_denied"]


def may_reach(*entries: str) -> AgentPolicy:
    return AgentPolicy(settings=AgentSettings(egress=Egress(allow=entries)))


@asynccontextmanager
async def net(
    tmp_path: Path, socket_dir: Path, *entries: str, limits: EgressLimits | None = None
) -> AsyncIterator[Net]:
    """Alice may reach these. `www.example` is on loopback."""
    names = Names({"www.example": [str(INTERNET)]})
    addresses = Addresses(names.resolve, is_elsewhere)
    async with running(
        tmp_path,
        socket_dir,
        policy(alice=may_reach(*entries)),
        addresses=addresses,
        egress_limits=limits,
    ) as world:
        yield Net(world, names)


@asynccontextmanager
async def tcp_server(serve: Serve) -> AsyncIterator[int]:
    """Its port. Every connection is closed at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, str(INTERNET), 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends everything back, and says so at the end."""
    while chunk := await reader.read(64 * 1024):
        writer.write(chunk)
        await writer.drain()
    writer.write(b"the end")
    writer.write_eof()
    await writer.drain()


@asynccontextmanager
async def http_server(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[int]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, str(INTERNET), 0)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


@dataclass
class Tunnel:
    """An agent's end of a connection that asked for a tunnel."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])


@asynccontextmanager
async def tunnel(socket: Path, target: str, first: bytes = b"") -> AsyncIterator[Tunnel]:
    """Asks for a tunnel, with what a hasty client sends at once."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + first)
        async with asyncio.timeout(10):
            yield Tunnel(reader, writer, await reader.readuntil(b"\r\n\r\n"))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def through(
    tmp_path: Path, socket_dir: Path, serve: Serve, limits: EgressLimits | None = None
) -> AsyncIterator[tuple[Net, Tunnel]]:
    """A tunnel of alice to such a server."""
    async with tcp_server(serve) as port:
        target = f"www.example:{port}"
        async with (
            net(tmp_path, socket_dir, target, limits=limits) as n,
            tunnel(n.world.socket("alice"), target) as t,
        ):
            yield n, t
