"""Runs one program to its end, bounded in time and in what it writes."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

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
    limits: Mapping[int, int] | None = None,
) -> int:
    """Returns its exit status, or the negative number of the signal that ended it.

    It is a process group of its own, which is killed whole after `seconds`, when a sink raises,
    and when this call is cancelled. `limits` are those of getrlimit(2).

    Raises TookTooLong; Unavailable where it cannot be started.
    """
    process = _start(argv, environment, directory, given)
    _limit(process.pid, limits or {})
    assert process.stdout is not None
    assert process.stderr is not None
    pumps = [
        asyncio.create_task(_pump(process.stdout, output)),
        asyncio.create_task(_pump(process.stderr, errors)),
    ]
    over, ended = _watch(process.pid), False
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*pumps)
            await over.wait()
            ended = True
    except TimeoutError:
        raise TookTooLong(f"{argv[0]} took longer than {seconds:g} s") from None
    finally:
        if not ended:  # else its number may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pump in pumps:
            pump.cancel()
        try:
            await asyncio.gather(*pumps, return_exceptions=True)
            await over.wait()
        finally:  # whoever cancels once more does not wait for it, but it is over or killed
            for pipe in (process.stdout, process.stderr):
                pipe.close()  # a pump that was cancelled before its first step has not
            status = process.wait()
    return status


def _start(
    argv: Sequence[str], environment: Mapping[str, str], directory: Path | None, given: bytes
) -> subprocess.Popen[bytes]:
    # Not by asyncio: its processes are not over before whatever holds their pipes is.
    with os.fdopen(os.memfd_create("given"), "w+b") as file:
        file.write(given)
        file.seek(0)
        try:
            return subprocess.Popen(
                argv,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}") from None


def _limit(pid: int, limits: Mapping[int, int]) -> None:
    """From outside, as nothing of ours may run between fork and exec where there are threads."""
    with suppress(ProcessLookupError):  # it is over
        for kind, limit in limits.items():
            hard = resource.prlimit(pid, kind)[1]
            most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.prlimit(pid, kind, (most, most))


def _watch(pid: int) -> asyncio.Event:
    """Set when the process has ended (pidfd_open(2)); it still has to be waited for."""
    loop, over, fd = asyncio.get_running_loop(), asyncio.Event(), os.pidfd_open(pid)

    def ended() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        over.set()

    loop.add_reader(fd, ended)
    return over


async def _pump(file: IO[bytes], sink: Sink) -> None:
    reader = asyncio.StreamReader()
    with file:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        try:
            while data := await reader.read(_CHUNK):
                sink(data)
        finally:
            transport.close()
