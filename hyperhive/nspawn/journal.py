"""What an agent wrote: the last lines of its unit in the journal namespace that is its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from hyperhive.nspawn.units import agent_unit
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.model import check_name

SECONDS = 10.0
LIMIT = 512 * 1024
"""Bytes of which the newest lines are taken."""


def namespace(agent: str) -> str:
    """The journal namespace of its unit (`LogNamespace=`, systemd.exec(5))."""
    return f"hyperhive-{check_name(agent)}"


async def logs(agent: str, lines: int, program: str = "journalctl") -> Sequence[str]:
    """The last lines, oldest first, with their times. Raises Unavailable.

    journalctl shows what cannot be printed as a number of bytes.
    """
    unit, space = agent_unit(agent), namespace(agent)
    argv = (
        *(program, f"--namespace={space}", f"--unit={unit}", f"--lines={lines}"),
        *("--output=short-iso", "--reverse", "--no-hostname", "--no-pager", "--quiet"),
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LIMIT,
        )
    except OSError as error:
        raise Unavailable(f"the journal cannot be read: {program}: {error.strerror}") from None
    try:
        async with asyncio.timeout(SECONDS):
            newest_first = await _read(process, space)
    except TimeoutError:
        raise Unavailable(f"{program} did not answer within {SECONDS:g} s") from None
    finally:
        await _end(process)
    return newest_first[::-1]


async def _read(process: asyncio.subprocess.Process, space: str) -> list[str]:
    assert process.stdout is not None
    found = bytearray()
    while len(found) <= LIMIT and (part := await process.stdout.read(LIMIT)):
        found += part
    cut = len(found) > LIMIT
    lines = found[:LIMIT].decode(errors="replace").removesuffix("\n").split("\n")
    if cut:
        return lines[:-1]  # the last one is not whole
    status = await process.wait()
    if status:
        raise Unavailable(
            f"journalctl ended with exit status {status}; check that the service may read the "
            f"journal of namespace {space}"
        )
    return [] if lines == [""] else lines


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    # Waits for the pipe, too: its transport would outlive us.
    await process.communicate()
