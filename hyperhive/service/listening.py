"""Where the service listens: a TCP port for browsers, a unix socket for the command line."""

from __future__ import annotations

import asyncio
import errno
import grp
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from hyperhive.protocol.errors import InvalidField

log = logging.getLogger(__name__)
_http_log = logging.getLogger(f"{__name__}.http")

ADMIN_GROUP = "hyperhive-admin"
SHUTDOWN_SECONDS = 3.0
"""For requests under way; clients reconnect."""

MAX_CONNECTIONS = 256
"""To a TCP listener: whoever reaches the port must not use up the descriptors of the service."""
IDLE_SECONDS = 75.0
"""Until a connection has sent a whole request head, its first or the next one."""


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises InvalidField when the address is taken or not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        number = error.errno or 0  # negative for a name that is not found
        problem = f"{host}:{port}: {os.strerror(number) if number > 0 else error.strerror}"
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise InvalidField("dashboard.port", f"{problem}; choose another port") from None
        raise InvalidField("dashboard.host", f"{problem}; choose an address of ours") from None


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
    """On a unix socket for the admin group; one that a killed service left is replaced.

    Raises InvalidField when there can be none.
    """
    runner = await _runner(app)
    try:
        await _listen(runner, path)
        try:
            _admit_admins(path)
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, path: Path) -> None:
    mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)  # the directory is held: no other service is there
        await web.UnixSite(runner, str(path)).start()
    except OSError as error:
        problem = f"{path} cannot be made: {error.strerror or error}; is something in its way?"
        raise InvalidField("runDir", problem) from None
    finally:
        os.umask(mask)


def _admit_admins(path: Path) -> None:
    try:
        group = grp.getgrnam(ADMIN_GROUP).gr_gid
        # From a directory that gives its own group on, we need not be a member of it.
        if path.stat().st_gid != group:
            os.chown(path, -1, group)
        path.chmod(0o660)
    except KeyError:
        pass  # no such group here: the socket is its owner's alone
    except OSError as error:
        log.warning("%s stays its owner's: group %s: %s", path, ADMIN_GROUP, error.strerror)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not a traceback for what is no HTTP: whoever reaches the port could fill the journal."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log.addFilter(_is_worth_a_line)


async def _runner(app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_http_log,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handler_cancellation=True,
        keepalive_timeout=IDLE_SECONDS,
    )
    await runner.setup()
    return runner


def notify_ready() -> None:
    """Tell systemd, if it started us, that all is up (sd_notify(3))."""
    _notify(b"READY=1")


async def keep_watchdog() -> None:
    """Tell systemd that the loop turns, as often as it wants (sd_watchdog_enabled(3)).

    Until cancelled; at once over when it does not want to know.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    while microseconds.isdecimal() and int(microseconds):
        _notify(b"WATCHDOG=1")
        await asyncio.sleep(int(microseconds) / 1e6 / 3)


def _notify(state: bytes) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            notify.sendall(state)
    except OSError as error:
        log.warning("systemd is not told %s: NOTIFY_SOCKET: %s", state.decode(), error)
