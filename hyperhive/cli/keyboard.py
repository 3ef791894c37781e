"""The caller's own terminal: raw while another is shown in it, and as it was afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_MOST = 1_000
"""Rows and columns beyond which the service takes no window."""


def size() -> tuple[int, int]:
    """Rows and columns of the window, or the usual ones where there is none."""
    try:
        found = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return 24, 80
    return min(max(found.lines, 1), _MOST), min(max(found.columns, 1), _MOST)


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Every key passes as it is (termios(3)). Nothing where `fd` is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        with suppress(termios.error):  # it was hung up
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def read(fd: int) -> bytes:
    """What is typed, without a thread that could not be stopped; empty at the end or a hang-up."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def once() -> None:
        # Told once: the descriptor is not ours alone to make non-blocking, so a read in vain hangs.
        loop.remove_reader(fd)
        if not ready.done():
            ready.set_result(None)

    try:
        loop.add_reader(fd, once)
    except PermissionError:
        pass  # a file or /dev/null, which never makes anybody wait
    else:
        try:
            await ready
        finally:
            loop.remove_reader(fd)
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


class Escape:
    """`~.` at the beginning of a line closes, `~~` there is one tilde, as with ssh(1)."""

    def __init__(self) -> None:
        self._at_start = True
        self._after_tilde = False

    def take(self, typed: bytes) -> tuple[bytes, bool]:
        """What is to be passed on, and whether to close behind it."""
        passed = bytearray()
        for key in typed:
            if self._after_tilde and key == ord("."):
                return bytes(passed), True
            if self._at_start and key == ord("~"):
                self._at_start, self._after_tilde = False, True
                continue
            if self._after_tilde and key != ord("~"):
                passed.append(ord("~"))
            passed.append(key)
            self._after_tilde = False
            self._at_start = key in b"\r\n"
        return bytes(passed), False
