"""A pseudo-terminal's descriptor as a terminal: what it takes, what it holds back, how it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from hyperhive.protocol.errors import Unavailable
from hyperhive.pty_stream import CHUNK, PtyStream
from tests.support.wait import let_time_pass, wait_for


class Far:
    """The side of the shell, which does what the test says; it echoes nothing."""

    def __init__(self) -> None:
        master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.hung_up = 0
        self.stream = PtyStream(master, self._hang_up)

    async def _hang_up(self) -> None:
        self.hung_up += 1

    def write(self, data: bytes) -> None:
        assert os.write(self.slave, data) == len(data)

    def end(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
        self.slave = -1


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    gc.collect()  # or what earlier tests dropped would be closed in the middle
    before = len(os.listdir("/proc/self/fd"))
    made = Far()
    yield made
    await made.stream.close()
    made.end()
    assert made.hung_up == 1
    assert len(os.listdir("/proc/self/fd")) == before


async def test_what_is_written_on_one_side_is_read_on_the_other(far: Far) -> None:
    far.write(b"\xc3")
    assert await far.stream.read() == b"\xc3"
    waiting = asyncio.create_task(far.stream.read())
    await asyncio.sleep(0)
    far.write(b"\xa9")
    assert await waiting == b"\xa9"
    await far.stream.write(b"typed")
    assert os.read(far.slave, 100) == b"typed"


async def test_a_resize_reaches_the_other_side(far: Far) -> None:
    far.stream.resize(40, 133)
    assert termios.tcgetwinsize(far.slave) == (40, 133)


async def test_the_end_comes_behind_the_last_output(far: Far) -> None:
    far.write(b"last")
    far.end()
    assert await far.stream.read() == b"last"
    assert await far.stream.read() == b""
    assert await far.stream.read() == b""
    with pytest.raises(Unavailable, match="has ended"):
        await far.stream.write(b"x")


async def test_nobody_to_read_it_is_an_end_too(far: Far) -> None:
    writing = asyncio.create_task(far.stream.write(b"x" * 1_000_000))
    await let_time_pass(0.05)
    far.end()
    with pytest.raises(Unavailable, match="has ended"):
        await writing


async def test_an_end_is_an_end_though_others_hold_the_terminal(far: Far) -> None:
    waiting = asyncio.create_task(far.stream.read())
    await asyncio.sleep(0)
    far.stream.end()
    assert await waiting == b""
    far.write(b"late")
    assert await far.stream.read() == b"late"
    assert await far.stream.read() == b""


async def test_writing_waits_until_all_is_taken(far: Far) -> None:
    typed = bytes(range(32, 127)) * 2_000
    writing = asyncio.create_task(far.stream.write(typed))
    await let_time_pass(0.1)
    assert not writing.done()
    taken = b""
    while len(taken) < len(typed):
        taken += await asyncio.to_thread(os.read, far.slave, CHUNK)
    await writing
    assert taken == typed


async def test_nothing_is_read_ahead(far: Far) -> None:
    """What nobody reads stays in the kernel, and what writes it has to wait."""
    os.set_blocking(far.slave, False)
    written = 0
    with suppress(BlockingIOError):
        while written < 1024 * 1024:
            written += os.write(far.slave, b"y" * 1024)
            await asyncio.sleep(0)
    assert 0 < written < 256 * 1024
    assert 0 < len(await far.stream.read()) <= CHUNK


@pytest.mark.parametrize("what", ["read", "write"])
async def test_closing_ends_what_waits(far: Far, what: str) -> None:
    call = far.stream.read() if what == "read" else far.stream.write(b"x" * 1_000_000)
    waiting: asyncio.Future[object] = asyncio.ensure_future(call)
    await let_time_pass(0.05)
    assert not waiting.done()
    await asyncio.gather(far.stream.close(), far.stream.close())
    result = (await asyncio.gather(waiting, return_exceptions=True))[0]
    assert result == b"" if what == "read" else isinstance(result, Unavailable)
    far.stream.resize(1, 1)  # nothing, rather than another descriptor's


async def test_who_stops_waiting_leaves_it_usable(far: Far) -> None:
    waiting = asyncio.create_task(far.stream.read())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    far.write(b"later")
    assert await far.stream.read() == b"later"


async def test_closing_cancelled_half_way_hangs_up_all_the_same() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def hang_up() -> None:
        await go.wait()
        done.set()

    master, slave = os.openpty()
    stream = PtyStream(master, hang_up)
    closing = asyncio.create_task(stream.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    go.set()
    await wait_for(lambda: done.is_set() or None)
    await stream.close()
    os.close(slave)


async def test_its_end_is_told_though_nobody_reads(far: Far) -> None:
    told = asyncio.create_task(far.stream.over())
    far.write(b"the last words")
    await let_time_pass(0.05)
    assert not told.done()
    far.end()
    await asyncio.wait_for(told, 2)
    assert await far.stream.read() == b"the last words"
    assert await far.stream.read() == b""


@pytest.mark.parametrize("how", ["end", "close"])
async def test_its_end_is_told_however_it_comes(far: Far, how: str) -> None:
    told = asyncio.create_task(far.stream.over())
    await asyncio.sleep(0)
    if how == "end":
        far.stream.end()
    else:
        await far.stream.close()
    await asyncio.wait_for(told, 2)
