"""The runtime port on plain processes.

A harness outlives the service: it is found again by its environment, not by a file that a crash
could leave wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperhive.hive.ports import Ended, EndReason, Invocation
from hyperhive.hive.records import Agent
from hyperhive.local.directories import Directories, Place
from hyperhive.local.processes import Process, end_all, every_process
from hyperhive.protocol.errors import Unavailable

log = logging.getLogger(__name__)

STOP_SECONDS = 6.0
"""Between SIGTERM and SIGKILL; the harness itself gives up after 5."""
_HIVE = "HYPERHIVE_HIVE"
_AGENT = "HYPERHIVE_AGENT"
_INVOCATION = "HYPERHIVE_INVOCATION"


@dataclass(frozen=True, slots=True)
class _Run:
    """A harness that runs; `child` is None for one that an earlier service started."""

    invocation: Invocation
    pid: int
    pidfd: int
    child: subprocess.Popen[bytes] | None
    ended: asyncio.Event


class LocalRuntime:
    """Each agent a child process; as root each under a uid of its own."""

    kind = "local"

    def __init__(self, command: Sequence[str], agents_dir: Path, sockets_dir: Path) -> None:
        self._command = tuple(command)
        self._dirs = Directories(agents_dir)
        self._agents_dir = agents_dir
        self._sockets_dir = sockets_dir
        self._runs: dict[str, _Run] = {}
        self._listeners: list[Callable[[Ended], None]] = []
        self._starting = asyncio.Lock()

    @property
    def warnings(self) -> tuple[str, ...]:
        if os.geteuid() == 0:
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
        return await asyncio.to_thread(self._dirs.tail, agent, lines)

    # --- what runs ---

    async def adopt(self) -> None:
        """At start: take over the harnesses that an earlier service left running."""
        mark = str(self._agents_dir)
        found = await asyncio.to_thread(
            lambda: [
                p
                for p in every_process()
                if p.environment.get(_HIVE) == mark and p.session == p.pid
            ]
        )
        for process in found:
            name = process.environment.get(_AGENT, "")
            place = self._dirs.find(name) if name else None
            if place is not None and place.uid == process.uid and name not in self._runs:
                self._adopt(name, process)

    def _adopt(self, name: str, process: Process) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - process.started / ticks
        identity = process.environment.get(_INVOCATION, "")
        self._watch(Invocation(name, identity, time.time() - age), process.pid, None)

    async def running(self) -> dict[str, Invocation]:
        return {name: run.invocation for name, run in self._runs.items()}

    async def start(self, agent: Agent) -> Invocation:
        async with self._starting:
            if run := self._runs.get(agent.name):
                return run.invocation
            await self._sweep(agent.name)  # a crash leaves the commands it was running
            try:
                place = await asyncio.to_thread(self._dirs.make, agent.name)
                return await self._spawn(agent.name, place)
            except OSError as error:
                raise Unavailable(f"{agent.name} cannot be started: {error}") from None

    async def _spawn(self, name: str, place: Place) -> Invocation:
        invocation = Invocation(name, uuid.uuid4().hex, time.time())
        log_fd = self._dirs.open_log(place)
        try:
            child = await asyncio.to_thread(self._popen, name, place, invocation.id, log_fd)
        finally:
            os.close(log_fd)
        self._watch(invocation, child.pid, child)
        return invocation

    def _popen(
        self, name: str, place: Place, invocation: str, log_fd: int
    ) -> subprocess.Popen[bytes]:
        own_uid = os.geteuid() == 0
        return subprocess.Popen(
            [
                *self._command,
                f"--socket={self._sockets_dir / name / 'hive.sock'}",
                f"--state={place.root / 'state'}",
                f"--home={place.home}",
                f"--workspace={place.root / 'workspace'}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            cwd=place.root / "workspace",
            env=self._environment(name, place, invocation),
            start_new_session=True,
            user=place.uid if own_uid else None,
            group=place.uid if own_uid else None,
            extra_groups=[] if own_uid else None,
            umask=0o077,
        )

    def _environment(self, name: str, place: Place, invocation: str) -> dict[str, str]:
        """Built from nothing: the service's own environment may hold secrets."""
        return {
            _HIVE: str(self._agents_dir),
            _AGENT: name,
            _INVOCATION: invocation,
            "HOME": str(place.home),
            "TMPDIR": str(place.root / "tmp"),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _watch(
        self, invocation: Invocation, pid: int, child: subprocess.Popen[bytes] | None
    ) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return  # gone since it was seen; a child cannot be, before it is waited for
        run = _Run(invocation, pid, pidfd, child, asyncio.Event())
        self._runs[invocation.agent] = run
        asyncio.get_running_loop().add_reader(pidfd, self._see_end, run)

    def _see_end(self, run: _Run) -> None:
        self._forget(run)
        exit_code = run.child.wait() if run.child else None
        ended = Ended(run.invocation, _reason(exit_code), exit_code)
        for listener in self._listeners:
            listener(ended)

    def _forget(self, run: _Run) -> None:
        asyncio.get_running_loop().remove_reader(run.pidfd)
        os.close(run.pidfd)
        del self._runs[run.invocation.agent]
        run.ended.set()

    # --- ends ---

    async def stop(self, agent: str, invocation: str | None = None) -> None:
        run = self._runs.get(agent)
        if run is not None and invocation not in (None, run.invocation.id):
            return
        if run is not None:
            await self._end(run)
        if not await self._sweep(agent):
            raise Unavailable(f"{agent} has a process that cannot be ended")

    async def _end(self, run: _Run) -> None:
        for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
            if run.ended.is_set():
                return
            signal.pidfd_send_signal(run.pidfd, number)
            try:
                async with asyncio.timeout(patience):
                    await run.ended.wait()
            except TimeoutError:
                continue
        if not run.ended.is_set():
            raise Unavailable(f"{run.invocation.agent} cannot be stopped")

    async def _sweep(self, agent: str) -> bool:
        """End what the agent's commands left behind: it has the agent's home, or its uid."""
        place = self._dirs.find(agent)
        if place is None:
            return True
        home, uid = str(place.home), place.uid
        own_uid = os.geteuid() == 0

        def of_agent(process: Process) -> bool:
            return process.uid == uid if own_uid else process.environment.get("HOME") == home

        return await end_all(of_agent, grace=0.5)

    async def purge(self, agent: str) -> None:
        if agent in self._runs:
            raise Unavailable(f"{agent} still runs")
        if not await self._sweep(agent):
            raise Unavailable(f"{agent} has a process that cannot be ended")
        try:
            await asyncio.to_thread(self._dirs.remove, agent)
        except OSError as error:
            raise Unavailable(f"the files of {agent} cannot be removed: {error}") from None

    async def stop_all(self) -> None:
        """End every agent, for a hive that ends for good; one that cannot be ended is logged."""
        names = list(self._runs)
        for result in await asyncio.gather(*map(self.stop, names), return_exceptions=True):
            if isinstance(result, BaseException):
                log.error("while stopping agents: %s", result)

    def close(self) -> None:
        """Stop watching; the agents go on and are adopted by the next service."""
        for run in list(self._runs.values()):
            self._forget(run)
            if run.child is not None:
                run.child.returncode = 0  # no warning that a child is left: that is the point


def _reason(exit_code: int | None) -> EndReason:
    if exit_code is None:
        return "unknown"
    if exit_code in (-signal.SIGKILL, -signal.SIGTERM):
        return "killed"
    return "clean" if exit_code == 0 else "crash"
