"""The runtime port on plain processes.

A harness outlives the service: it is found again by its environment, not by a file that a crash
could leave wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hyperhive.hive.ports import Ended, Invocation, Terminal, TerminalUser, Usage
from hyperhive.hive.records import Agent
from hyperhive.local import leftovers, logs, uids
from hyperhive.local.directories import Directories, Place
from hyperhive.local.processes import Process, every_process, look_up
from hyperhive.local.runs import Runs
from hyperhive.local.spawning import AGENT, HIVE, INVOCATION, Spawner
from hyperhive.local.terminal import open_terminal
from hyperhive.local.usage import measure
from hyperhive.protocol.errors import Unavailable

log = logging.getLogger(__name__)


class LocalRuntime:
    """Each agent a child process; as root each under a uid of its own.

    `command` starts a harness, `needs` are files that it reads.
    """

    kind = "local"

    def __init__(
        self,
        command: Sequence[str],
        agents_dir: Path,
        sockets_dir: Path,
        needs: Sequence[Path] = (),
    ) -> None:
        self._agents_dir = agents_dir
        self._dirs = Directories(agents_dir)
        self._spawner = Spawner(tuple(command), tuple(needs), agents_dir, sockets_dir)
        self._runs = Runs(self._see_end)
        self._listeners: list[Callable[[Ended], None]] = []
        self._making = asyncio.Lock()
        self._acting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._sweeps: set[asyncio.Task[None]] = set()

    @property
    def warnings(self) -> tuple[str, ...]:
        if uids.own_users():
            return ("Agents run as plain processes, each under its own user, without containers.",)
        return (
            "Agents run as plain processes under your own user: they can read your files, "
            "the model's key and the admin socket.",
        )

    def subscribe(self, listener: Callable[[Ended], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def peer_allowed(self, agent: str, uid: int) -> bool:
        place = self._dirs.find(agent)
        return place is not None and place.uid == uid

    async def logs(self, agent: str, lines: int) -> Sequence[str]:
        place = self._dirs.find(agent)
        if place is None:
            return []
        try:
            return await asyncio.to_thread(logs.tail, place.log, lines)
        except OSError as error:
            raise Unavailable(f"the log of {agent} cannot be read: {error}") from None

    async def usage(self, agent: str) -> Usage:
        run, place = self._runs.get(agent), self._dirs.find(agent)
        if run is None or place is None:
            return Usage()
        family = await leftovers.family(run.pid)
        return await asyncio.to_thread(measure, place, leftovers.belonging([place], family))

    async def open_terminal(
        self, agent: str, user: TerminalUser, rows: int, columns: int
    ) -> Terminal:
        if user == "root":
            raise Unavailable("the local runtime has no root shell")
        place = self._dirs.find(agent)
        if place is None or not self._runs.get(agent):
            raise Unavailable(f"{agent} does not run")
        # Without an await since that look: a stop sweeps away what was started before.
        return open_terminal(agent, place, rows, columns)

    async def running(self) -> dict[str, Invocation]:
        return self._runs.invocations()

    def started_from(self, agent: str, invocation: str) -> str | None:
        return None

    async def how_ended(self, agent: str, invocation: str) -> Ended:
        """A process tells only its parent, which was an earlier service."""
        return Ended(Invocation(agent, invocation, 0.0), "unknown", None)

    # --- starts ---

    async def adopt(self) -> None:
        """At service start: take over the harnesses that an earlier service left running.

        What is left of those that have ended meanwhile is ended.
        """
        names = set(self._dirs.names())
        processes = await asyncio.to_thread(lambda: list(every_process()))
        # An agent can start what looks like its harness, but not before its harness.
        for process in sorted(processes, key=lambda p: p.started):
            name = process.environment.get(AGENT, "")
            if name in names and self._is_harness(process, name) and not self._runs.get(name):
                self._adopt(name, process)
        gone = names - self._runs.invocations().keys()
        try:
            await leftovers.sweep(self._dirs, gone, quick=True)
        except Unavailable as error:
            log.error("%s", error.message)

    def _is_harness(self, process: Process, name: str) -> bool:
        if process.environment.get(HIVE) != str(self._agents_dir) or process.session != process.pid:
            return False
        place = self._dirs.find(name)
        return place is not None and place.uid in process.uids

    def _adopt(self, name: str, process: Process) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - process.started / ticks
        identity = process.environment.get(INVOCATION, "")
        with suppress(ProcessLookupError):
            self._runs.watch(Invocation(name, identity, time.time() - age), process.pid)
            seen = look_up(process.pid)
            if seen is None or seen.started != process.started:
                self._runs.forget(name)  # by then the pid was another process's

    async def start(self, agent: Agent) -> Invocation:
        async with self._acting[agent.name]:
            if run := self._runs.get(agent.name):
                return run.invocation
            # A crash leaves the commands it was running; they would go on beside the new ones.
            await leftovers.sweep(self._dirs, [agent.name])
            place = await self._make(agent.name)
            return self._begin(place, Invocation(agent.name, uuid.uuid4().hex, time.time()))

    async def _make(self, name: str) -> Place:
        async with self._making:
            try:
                return await asyncio.to_thread(self._make_now, name)
            except OSError as error:
                raise Unavailable(f"{name} has no directories: {error}") from None

    def _make_now(self, name: str) -> Place:
        hives = {p.environment[HIVE] for p in every_process() if HIVE in p.environment}
        return self._dirs.make(name, map(Path, hives - {str(self._agents_dir)}))

    def _begin(self, place: Place, invocation: Invocation) -> Invocation:
        """Without an await: a child that nobody knows of would outlive a cancellation."""
        child = self._spawner.spawn(invocation.agent, place, invocation.id)
        try:
            self._runs.watch(invocation, child.pid, child)
        except OSError as error:
            child.kill()
            child.wait()
            raise Unavailable(f"{invocation.agent} cannot be watched: {error}") from None
        return invocation

    # --- ends ---

    async def stop(self, agent: str, invocation: str | None = None) -> None:
        async with self._acting[agent]:
            run = self._runs.get(agent)
            if run is None:
                await leftovers.sweep(self._dirs, [agent])
            elif invocation in (None, run.invocation.id):
                family = await leftovers.family(run.pid)
                await self._runs.end(run)
                await leftovers.sweep(self._dirs, [agent], family)

    def _see_end(self, ended: Ended) -> None:
        name = ended.invocation.agent
        sweep = asyncio.create_task(self._sweep_after(name), name=f"sweep-{name}")
        self._sweeps.add(sweep)
        sweep.add_done_callback(self._sweeps.discard)
        for listener in self._listeners:
            listener(ended)

    async def _sweep_after(self, agent: str) -> None:
        """Nothing of it goes on, even if it is not started again."""
        async with self._acting[agent]:
            if self._runs.get(agent) is None:
                try:
                    await leftovers.sweep(self._dirs, [agent])
                except Unavailable as error:
                    log.error("%s", error.message)

    async def purge(self, agent: str) -> None:
        async with self._acting[agent]:
            if self._runs.get(agent):
                raise Unavailable(f"{agent} still runs")
            await leftovers.sweep(self._dirs, [agent])
            try:
                await asyncio.to_thread(self._dirs.remove, agent)
            except OSError as error:
                raise Unavailable(f"the files of {agent} cannot be removed: {error}") from None

    async def stop_all(self) -> None:
        """End every agent, for a hive that ends for good; one that cannot be ended is logged."""
        ends = [self.stop(name) for name in self._runs.invocations()]
        for result in await asyncio.gather(*ends, *self._sweeps, return_exceptions=True):
            if isinstance(result, BaseException):
                log.error("while stopping agents: %s", result)

    async def close(self) -> None:
        """Stop watching; the agents go on and are adopted by the next service."""
        for task in self._sweeps:
            task.cancel()
        await asyncio.gather(*self._sweeps, return_exceptions=True)
        self._runs.close()
