"""Runs one program to its end, bounded in time and in what it writes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hyperhive.protocol.errors import TooLarge, Unavailable

Sink = Callable[[bytes], None]
"""Gets what the program writes, as it comes; what it raises ends the program."""

_CHUNK = 64 * 1024


class TookTooLong(Unavailable):
    """It was killed, with all that it had started."""


class Kept:
    """A sink that keeps up to `limit` bytes and raises TooLarge beyond."""

    def __init__(self, limit: int, what: str = "the output") -> None:
        self._limit = limit
        self._what = what
        self._data = bytearray()

    def __call__(self, data: bytes) -> None:
        if len(self._data) + len(data) > self._limit:
            raise TooLarge(f"{self._what} has more than {self._limit} bytes")
        self._data += data

    @property
    def data(self) -> bytes:
        return bytes(self._data)


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    seconds: float,
    output: Sink,
    errors: Sink,
    given: bytes = b"",
    directory: Path | None = None,
) -> int:
    """Returns its exit status, or the negative number of the signal that ended it.

    It is a process group of its own, which is killed whole after `seconds`, when a sink raises,
    and when this call is cancelled. Raises TookTooLong; Unavailable where it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}") from None
    assert process.stdout is not None
    assert process.stderr is not None
    pumps = [
        asyncio.create_task(_pump(process.stdout, output)),
        asyncio.create_task(_pump(process.stderr, errors)),
        asyncio.create_task(_feed(process.stdin, given)),
    ]
    ended = False
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*pumps)
            status = await process.wait()
            ended = True
            return status
    except TimeoutError:
        raise TookTooLong(f"{argv[0]} took longer than {seconds:g} s") from None
    finally:
        if not ended:  # else its number may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        await process.wait()


async def _pump(stream: asyncio.StreamReader, sink: Sink) -> None:
    while data := await stream.read(_CHUNK):
        sink(data)


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # it wants no more of it
        stream.write(data)
        await stream.drain()
    stream.close()
