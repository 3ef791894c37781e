"""Sockets and directories of the service, with the modes they must have."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from hyperhive.protocol.errors import InvalidField

ADMIN_GROUP = "hyperhive-admin"
SHUTDOWN_SECONDS = 3.0
"""For requests under way; clients reconnect."""

MAX_CONNECTIONS = 256
"""To a TCP listener: whoever reaches the port must not use up the descriptors of the service."""
IDLE_SECONDS = 75.0
"""Until a connection has sent a whole request head, its first or the next one."""


def make_directory(path: Path, mode: int) -> None:
    """Raises InvalidField when it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    except OSError as error:
        raise InvalidField(str(path), f"cannot be made: {error.strerror}") from None


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises InvalidField when the address is taken or not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise InvalidField("dashboard.port", f"{host}:{port}: {error.strerror or error}") from None


@asynccontextmanager
async def on_listener(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Connections beyond MAX_CONNECTIONS are closed at once."""
    runner = await _runner(app)
    try:
        accept = _bounded(runner)
        server = await asyncio.get_running_loop().create_server(accept, sock=listener)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _bounded(runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
    server = runner.server
    assert server is not None

    def accept() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < MAX_CONNECTIONS else _Refusal()

    return accept


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@asynccontextmanager
async def on_socket(app: web.Application, path: Path) -> AsyncIterator[None]:
    """On a unix socket for the admin group; one that a killed service left is replaced."""
    runner = await _runner(app)
    try:
        path.unlink(missing_ok=True)  # the database's lock says that no other service is there
        mask = os.umask(0o177)
        try:
            await web.UnixSite(runner, str(path)).start()
        finally:
            os.umask(mask)
        _admit_admins(path)
        yield
    finally:
        await runner.cleanup()
        path.unlink(missing_ok=True)


def _admit_admins(path: Path) -> None:
    try:
        group = grp.getgrnam(ADMIN_GROUP).gr_gid
    except KeyError:
        return  # no such group here: the socket is its owner's alone
    os.chown(path, -1, group)
    path.chmod(0o660)


async def _runner(app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handler_cancellation=True,
        keepalive_timeout=IDLE_SECONDS,
    )
    await runner.setup()
    return runner


def notify_ready() -> None:
    """Tell systemd, if it started us, that all is up (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        notify.sendall(b"READY=1")
