"""Runs one program to its end, bounded in time and in what it writes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from hyperhive.protocol.errors import TooLarge, Unavailable

_CHUNK = 64 * 1024


class Ended(NamedTuple):
    """How a program ended; a negative status is the signal that did it."""

    status: int
    output: bytes
    errors: bytes


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    seconds: float,
    limit: int,
    given: bytes = b"",
) -> Ended:
    """`limit` is in bytes of its output. It is a process group of its own, which never outlives
    this call. Raises TooLarge; Unavailable when it takes too long or cannot be started."""
    process = await _start(argv, environment, given)
    assert process.stdout is not None
    assert process.stderr is not None
    pumps = [
        asyncio.create_task(_read(process.stdout, limit, argv[0])),
        asyncio.create_task(_read(process.stderr, limit, argv[0])),
    ]
    try:
        async with asyncio.timeout(seconds):
            output, errors = await asyncio.gather(*pumps)
            return Ended(await process.wait(), output, errors)
    except TimeoutError:
        raise Unavailable(f"{argv[0]} took longer than {seconds:g} s") from None
    finally:
        if process.returncode is None:  # else its number may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await process.wait()


async def _start(
    argv: Sequence[str], environment: Mapping[str, str], given: bytes
) -> asyncio.subprocess.Process:
    # A file and no pipe: what is read late, or not at all, holds nobody up.
    with os.fdopen(os.memfd_create("given"), "w+b") as file:
        file.write(given)
        file.seek(0)
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=file,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}") from None


async def _read(reader: asyncio.StreamReader, limit: int, program: str) -> bytes:
    data = bytearray()
    while chunk := await reader.read(_CHUNK):
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"{program} wrote more than {limit} bytes")
    return bytes(data)
