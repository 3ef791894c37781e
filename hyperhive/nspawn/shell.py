"""Terminals in a container, opened by systemd-machined."""

from __future__ import annotations

import asyncio
import os

from hyperhive.hive.ports import Invocation, Terminal, TerminalUser
from hyperhive.nspawn.failures import NoAnswer
from hyperhive.nspawn.jobs import SYSTEMD, read_property, unit_path
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.launch_policy import STATE
from hyperhive.nspawn.machines import MANAGER, machine_name
from hyperhive.nspawn.units import agent_unit
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.terminal import SHELL_ENVIRONMENT
from hyperhive.pty_stream import PtyStream

OPEN_SECONDS = 8.0
DEAF_SECONDS = 100.0
"""machined waits 90 s for a container that does not answer, and meanwhile for nothing else."""
_LOGIN = """\
trap : INT QUIT TSTP
cd /workspace 2>/dev/null
"${SHELL:-/bin/sh}" -l
exit $?
"""
"""A login shell of the user, and where the agent works; on every kind of system.

The one that runs this stays, as the leader of the session: a hang-up ends it, whatever the login
shell does about that, and with it the unit that machined made, and all that is left in there.
"""
_AS_AGENT = f"test ! -r {STATE}/{SHELL_ENVIRONMENT} || . {STATE}/{SHELL_ENVIRONMENT}\n"
"""What its harness tells its shells. Not for root, who obeys nothing that the agent can write."""
_ENVIRONMENT = ["TERM=xterm-256color", "COLORTERM=truecolor"]


class Shells:
    """Whatever asks machined for a shell lets the container stop machined for all: see `open`."""

    def __init__(self, bus: LastingBus) -> None:
        self._bus = bus
        self._deaf: dict[str, float] = {}
        """Until when (monotonic) a run, by its invocation, is not asked again."""

    async def open(self, run: Invocation, user: TerminalUser, rows: int, columns: int) -> Terminal:
        """A login shell of that user. Raises Unavailable within 10 s.

        machined answers with our end of the pseudo-terminal, which lies in the container; when we
        close it the shell is hung up, and its unit inside ends.
        """
        now = asyncio.get_running_loop().time()
        self._deaf = {run: until for run, until in self._deaf.items() if until > now}
        if run.id in self._deaf:
            seconds = self._deaf[run.id] - now
            raise Unavailable(f"{run.agent} did not open a shell; wait {seconds:.0f} s, or restart")
        await self._check_not_frozen(run.agent)
        try:
            descriptors = await self._ask(run.agent, user)
        except (TimeoutError, NoAnswer):
            self._deaf[run.id] = now + DEAF_SECONDS
            raise Unavailable(
                f"{run.agent} did not open a shell within {OPEN_SECONDS:g} s; it may be stopped or "
                "overloaded: restart it"
            ) from None
        terminal = _terminal(run.agent, descriptors)
        terminal.resize(rows, columns)
        return terminal

    async def _ask(self, agent: str, user: TerminalUser) -> list[int]:
        script = _LOGIN if user == "root" else _AS_AGENT + _LOGIN
        wanted = (machine_name(agent), user, "/bin/sh", ["sh", "-c", script], _ENVIRONMENT)
        async with asyncio.timeout(OPEN_SECONDS):
            _, descriptors = await self._bus.call_for_descriptors(
                MANAGER, "OpenMachineShell", ("(sssasas)", wanted), "(hs)", OPEN_SECONDS
            )
        return descriptors

    async def _check_not_frozen(self, agent: str) -> None:
        """Only frozen from outside; who is root inside can hide that."""
        path, unit = unit_path(agent_unit(agent)), f"{SYSTEMD}.Unit"
        state = await read_property(self._bus, path, unit, "FreezerState", timeout=1.0)
        if state != "running":
            raise Unavailable(f"{agent} is {state}; `systemctl thaw {agent_unit(agent)}` ends that")


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
