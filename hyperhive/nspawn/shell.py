"""Terminals in a container, opened by systemd-machined."""

from __future__ import annotations

import asyncio
import os

from hyperhive.hive.ports import Terminal, TerminalUser
from hyperhive.nspawn.failures import NoAnswer
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.machines import MANAGER, machine_name
from hyperhive.protocol.errors import Unavailable
from hyperhive.pty_stream import PtyStream

OPEN_SECONDS = 8.0
"""A frozen container never answers; machined gives up on it later, to nobody."""
_LOGIN_SHELL: tuple[str, list[str]] = ("", [])
_ENVIRONMENT = ["TERM=xterm-256color", "COLORTERM=truecolor"]


async def open_terminal(
    bus: LastingBus, agent: str, user: TerminalUser, rows: int, columns: int
) -> Terminal:
    """A login shell of that user. Raises Unavailable within `OPEN_SECONDS`.

    machined answers with our end of the pseudo-terminal, which lies in the container; when we
    close it the shell is hung up, and its unit inside ends.
    """
    wanted = (machine_name(agent), user, *_LOGIN_SHELL, _ENVIRONMENT)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            _, descriptors = await bus.call_for_descriptors(
                MANAGER, "OpenMachineShell", ("(sssasas)", wanted), "(hs)", OPEN_SECONDS
            )
    except (TimeoutError, NoAnswer):
        raise Unavailable(
            f"{agent} did not open a shell within {OPEN_SECONDS:g} s; it may be frozen or "
            "overloaded: restart it"
        ) from None
    terminal = _terminal(agent, descriptors)
    terminal.resize(rows, columns)
    return terminal


def _terminal(agent: str, descriptors: list[int]) -> PtyStream:
    try:
        (descriptor,) = descriptors
        return PtyStream(descriptor, _nothing_more)
    except (ValueError, OSError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise Unavailable(f"machined gave no terminal of {agent}: {error}") from None


async def _nothing_more() -> None:
    """The hang-up is the kernel's, once the descriptor is gone; systemd inside does the rest."""
