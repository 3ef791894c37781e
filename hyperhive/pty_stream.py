"""A terminal over the master side of a pseudo-terminal (pty(7)), on the event loop."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
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
        self._over = False
        self._closed = False
        self._gone = asyncio.Event()
        self._hung_up = select.epoll()
        self._hung_up.register(fd, 0)  # to hear of nothing but hang-ups (epoll_ctl(2))
        self._loop.add_reader(self._hung_up.fileno(), self._see_end)
        self._closing: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        """What the shell wrote, at most 64 KiB; empty at its end. Reads nothing ahead."""
        while not self._closed:
            try:
                return self._read_now()
            except BlockingIOError:
                if self._over:
                    return b""
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
                if error.errno == errno.EIO:  # no process has the other side open any more
                    self._over = True
                elif not parts:
                    raise
                break
            if not part:
                break
            parts.append(part)
            room -= len(part)
        return b"".join(parts)

    async def write(self, data: bytes) -> None:
        """Waits until the terminal has taken all of it. Raises Unavailable at its end."""
        left = memoryview(data)
        while left:
            if self._over or self._closed:
                raise _ended()
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:
                self._over = self._is_hung_up()
                if not self._over:
                    await self._writable()
            except OSError:
                raise _ended() from None

    def _is_hung_up(self) -> bool:
        """The kernel takes what nobody can read any more, until its buffer is full."""
        poll = select.poll()
        poll.register(self._fd, 0)
        return bool(poll.poll(0))

    async def over(self) -> None:
        """Returns at the end of the shell, also while nobody reads what it wrote before."""
        await self._gone.wait()

    def _see_end(self) -> None:
        """The other side is open nowhere any more. What was written there can still be read."""
        self._loop.remove_reader(self._hung_up.fileno())
        self._gone.set()

    def resize(self, rows: int, columns: int) -> None:
        """Programs in the terminal see SIGWINCH. Nothing once it is closed."""
        if not self._closed:
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, window(rows, columns))

    def end(self) -> None:
        """The shell has ended: what it wrote is still read, what its children may write is not."""
        self._over = True
        self._gone.set()
        if self._reading is not None:
            _settle(self._reading)

    async def close(self) -> None:
        """Hangs up, and waits until its descriptor is gone. Repeatable."""
        if not self._closed:
            self._closed = True
            self._see_end()
            self._hung_up.close()
            for waiting in (self._reading, self._writing):
                if waiting is not None:
                    _settle(waiting)
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
        if self._closing is None:
            self._closing = asyncio.create_task(_run(self._hang_up), name="hang-up")
        await asyncio.shield(self._closing)  # who is cancelled meanwhile leaves no shell behind

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


async def _run(hang_up: Callable[[], Awaitable[None]]) -> None:
    await hang_up()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _ended() -> Unavailable:
    return Unavailable("the terminal has ended")
