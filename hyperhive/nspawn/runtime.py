"""The runtime port on containers: a unit of systemd for each agent, driven over D-Bus.

Units are not bound to the service: containers go on when it ends, and are found again by name.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hyperhive.hive.ports import Ended, Invocation, Terminal, TerminalUser, Usage
from hyperhive.hive.records import Agent
from hyperhive.nspawn import journal
from hyperhive.nspawn.bundles import Bundles
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.launches import Launches
from hyperhive.nspawn.lives import Lives
from hyperhive.nspawn.machines import Machines
from hyperhive.nspawn.shell import Shells
from hyperhive.nspawn.units import PURGE_SECONDS, Units, agent_unit, purge_unit
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.model import check_name

log = logging.getLogger(__name__)


async def open_runtime(state_dir: Path, default_bundle: Path | None) -> NspawnRuntime:
    """Connected to the system bus. Raises Unavailable."""
    bus = LastingBus()
    await bus.open()
    bundles = Bundles(state_dir / "bundles", default_bundle)
    return NspawnRuntime(bus, bundles, Launches())


class NspawnRuntime:
    """Owns the connection to the bus. `adopt` comes before all else, `close` after."""

    kind = "nspawn"
    warnings: tuple[str, ...] = ()

    def __init__(self, bus: LastingBus, bundles: Bundles, launches: Launches) -> None:
        self._bus = bus
        self._bundles = bundles
        self._launches = launches
        self.units = Units(bus)
        self._machines = Machines(bus)
        self._shells = Shells(bus)
        self._lives = Lives(self.units, self._tell)
        self._listeners: list[Callable[[Ended], None]] = []
        self._untold: list[Ended] = []
        self._acting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stop_listening: Callable[[], None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def adopt(self) -> None:
        """At service start: know what an earlier service left running, and watch it."""
        self._stop_listening = self.units.listen(self._lives.hint)
        await self._lives.adopt()
        self._watching = asyncio.create_task(self._lives.watch(), name="ends of agents")

    async def close(self) -> None:
        """Stop watching; the agents go on and are adopted by the next service. Repeatable."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        await self._bus.close()

    async def stop_all(self) -> None:
        """End every agent, for a hive that ends for good; one that cannot be ended is logged."""
        ends = [self.stop(name) for name in await self.running()]
        for result in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(result, BaseException):
                log.error("while stopping agents: %s", result)

    def subscribe(self, listener: Callable[[Ended], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        untold, self._untold = self._untold, []
        for ended in untold:
            listener(ended)
        return lambda: self._listeners.remove(listener)

    def _tell(self, ended: Ended) -> None:
        if not self._listeners:
            self._untold.append(ended)
        for listener in list(self._listeners):
            listener(ended)

    async def running(self) -> dict[str, Invocation]:
        await self._lives.look_at_all()
        return dict(self._lives.alive)

    async def how_ended(self, agent: str, invocation: str) -> Ended:
        return await self._lives.how_ended(Invocation(agent, invocation, 0.0))

    def started_from(self, agent: str, invocation: str) -> str | None:
        launch = self._launches.find(agent)
        return launch.bundle if launch and launch.invocation == invocation else None

    async def start(self, agent: Agent) -> Invocation:
        async with self._acting[agent.name]:
            state = await self._lives.look(agent.name)
            if state.active != "active":
                await asyncio.to_thread(self._bundles.ensure, agent.name, agent.bundle)
                await self._start(agent.name)
            invocation = self._lives.alive.get(agent.name)
            if invocation is None:
                raise Unavailable(f"{agent.name} ended as soon as it was up; see its log")
            return invocation

    async def _start(self, name: str) -> None:
        try:
            await self.units.start(agent_unit(name))
        except Unavailable:
            # Not before: a machined that hangs would keep every agent from starting.
            if taken := await self._machines.taken(name, agent_unit(name)):
                raise Unavailable(taken) from None
            raise
        finally:
            with suppress(Unavailable):  # told by a later look
                await self._lives.look(name)

    async def stop(self, agent: str, invocation: str | None = None) -> None:
        async with self._acting[agent]:
            state = await self._lives.look(agent)
            if state.is_alive and invocation in (None, state.invocation):
                await self.units.stop(agent_unit(agent))
                await self._lives.look(agent)

    async def purge(self, agent: str) -> None:
        async with self._acting[agent]:
            if (await self._lives.look(agent)).is_alive:
                raise Unavailable(f"{agent} still runs")
            await self.units.start(purge_unit(agent), PURGE_SECONDS)
            await asyncio.to_thread(self._bundles.forget, agent)

    async def logs(self, agent: str, lines: int) -> Sequence[str]:
        return await journal.logs(agent, lines)

    async def usage(self, agent: str) -> Usage:
        if agent not in self._lives.alive:  # systemd keeps the figures of the last run
            return Usage()
        memory, cpu, tasks = await self.units.usage(agent_unit(agent))
        launch = self._launches.find(agent)
        return Usage(
            memory,
            None if cpu is None else cpu / 1e9,
            tasks,
            # Its directories are closed to us, and a project's use is told to root (quotactl(2)).
            disk_bytes=None,
            disk_quota=launch is not None and launch.disk_quota,
        )

    async def open_terminal(
        self, agent: str, user: TerminalUser, rows: int, columns: int
    ) -> Terminal:
        run = self._lives.alive.get(check_name(agent))
        if run is None:
            raise Unavailable(f"{agent} does not run")
        return await self._shells.open(run, user, rows, columns)

    def peer_allowed(self, agent: str, uid: int) -> bool:
        return self._launches.peer_allowed(check_name(agent), uid)
