"""A terminal over the master side of a pseudo-terminal (pty(7)), on the event loop."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable

from hyperhive.protocol.errors import Unavailable

CHUNK = 64 * 1024
"""Bytes that one read returns at most."""


class PtyStream:
    """Owns `fd` from its construction on; needs the running loop.

    `hang_up` is called once, after the descriptor is gone: the kernel has by then sent SIGHUP to
    the shell, and it ends what did not heed that. One task may read and one may write at a time.
    """

    def __init__(self, fd: int, hang_up: Callable[[], Awaitable[None]]) -> None:
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
        self._fd = fd
        self._hang_up = hang_up
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._closed = False
        self._closing = asyncio.Lock()
        self._hung_up = False

    async def read(self) -> bytes:
        """What the shell wrote, at most 64 KiB; empty at its end. Reads nothing ahead."""
        while not self._closed:
            try:
                return self._read_now()
            except BlockingIOError:
                await self._readable()
        return b""

    def _read_now(self) -> bytes:
        """All that waits: the kernel gives 4 KiB at a time. Raises BlockingIOError for nothing."""
        parts: list[bytes] = []
        room = CHUNK
        while room:
            try:
                part = os.read(self._fd, room)
            except OSError as error:
                if parts or error.errno == errno.EIO:  # no process has the other side open any more
                    break
                raise
            if not part:
                break
            parts.append(part)
            room -= len(part)
        return b"".join(parts)

    async def write(self, data: bytes) -> None:
        """Waits until the terminal has taken all of it. Raises Unavailable at its end."""
        left = memoryview(data)
        while left:
            if self._closed:
                raise _ended()
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:
                await self._writable()
            except OSError:
                raise _ended() from None

    def resize(self, rows: int, columns: int) -> None:
        """Programs in the terminal see SIGWINCH. Nothing once it is closed."""
        if not self._closed:
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, window(rows, columns))

    async def close(self) -> None:
        """Hangs up, and waits until its descriptor is gone. Repeatable."""
        if not self._closed:
            self._closed = True
            for waiting in (self._reading, self._writing):
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
        async with self._closing:
            if not self._hung_up:
                await self._hang_up()
                self._hung_up = True

    async def _readable(self) -> None:
        ready = self._reading = self._loop.create_future()
        self._loop.add_reader(self._fd, _settle, ready)
        try:
            await ready
        finally:
            if not self._closed:
                self._loop.remove_reader(self._fd)

    async def _writable(self) -> None:
        ready = self._writing = self._loop.create_future()
        self._loop.add_writer(self._fd, _settle, ready)
        try:
            await ready
        finally:
            if not self._closed:
                self._loop.remove_writer(self._fd)


def window(rows: int, columns: int) -> bytes:
    """A struct winsize (ioctl_tty(2)), without pixels."""
    return struct.pack("HHHH", rows, columns, 0, 0)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _ended() -> Unavailable:
    return Unavailable("the terminal has ended")
