"""Makes what runs equal to what is wanted, and finishes what was begun before a crash.

Signals from the runtime are hints: on each of them the rows and the runtime are compared afresh.
One agent is handled by one task at a time; agents do not wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from hyperhive.hive.aftermath import Aftermath
from hyperhive.hive.attendance import Attendance
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploying import Deploying
from hyperhive.hive.ports import AgentSockets, Ended, Invocation, Runtime, Store
from hyperhive.hive.records import Agent, Event, Operation
from hyperhive.hive.retry import RETRY_SECONDS, insist
from hyperhive.hive.storage_guard import Storage
from hyperhive.protocol.errors import HiveError, Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_RETRY_SECONDS = 0.5
"""After the runtime or the store refused or failed to act; doubles up to `RETRY_SECONDS`."""


class Reconciler:
    """Owns the life of every agent; `run` is its task."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        runtime: Runtime,
        sockets: AgentSockets,
        aftermath: Aftermath,
        attendance: Attendance,
        storage: Storage,
        deploying: Deploying | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._runtime = runtime
        self._sockets = sockets
        self._aftermath = aftermath
        self._attendance = attendance
        self._storage = storage
        self._deploying = deploying
        self._bells: dict[int, asyncio.Event] = {}
        self._ending: set[str] = set()
        """Invocations that are stopped on purpose and whose end was not heard of yet."""
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled. The first pass adopts what runs and resumes open operations."""
        stop_events = self._store.subscribe(self._see_events)
        stop_ends: Callable[[], None] | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                try:
                    # What ended meanwhile is recorded before anything is started.
                    stop_ends = self._runtime.subscribe(self._see_end)
                    for agent in await self._agents():
                        self._look_at(agent.id)
                    await asyncio.Event().wait()
                finally:
                    self._tasks = None  # of a group that ends no task can begin
        finally:
            stop_events()
            if stop_ends is not None:
                stop_ends()

    def _see_events(self, events: Sequence[Event]) -> None:
        # Of a link that is up nothing follows; whether one is there is looked at in its time.
        names = {e.agent for e in events if e.kind == "agent" and e.data.get("link") != "up"}
        everyone = any(e.kind == "storage" for e in events)
        if (names or everyone) and self._tasks is not None:
            self._tasks.create_task(self._look_at_names(None if everyone else names))

    async def _look_at_names(self, names: set[str | None] | None) -> None:
        """At all agents when no names are given."""
        for agent in await self._agents():
            if names is None or agent.name in names:
                self._look_at(agent.id)

    def _see_end(self, ended: Ended) -> None:
        if self._tasks is not None:
            self._tasks.create_task(self._note_end(ended))

    async def _note_end(self, ended: Ended) -> None:
        expected = ended.invocation.id in self._ending
        self._ending.discard(ended.invocation.id)
        agent = await insist(lambda: self._aftermath.record(ended, expected=expected))
        if agent is not None:
            self._look_at(agent.id)

    async def _agents(self) -> list[Agent]:
        return await insist(lambda: self._store.read(lambda tx: tx.agents.all()))

    def _look_at(self, agent_id: int) -> None:
        """Have the agent's own task compare it again; begins that task at first."""
        if self._tasks is None:
            return
        if agent_id not in self._bells:
            self._bells[agent_id] = asyncio.Event()
            self._tasks.create_task(self._tend(agent_id), name=f"tend-{agent_id}")
        self._bells[agent_id].set()

    async def _tend(self, agent_id: int) -> None:
        """The one task that acts on this agent; ends when the agent is gone for good."""
        bell = self._bells[agent_id]
        pause: float | None = None
        retry = FIRST_RETRY_SECONDS
        is_adopted = False
        while True:
            try:
                async with asyncio.timeout(pause):
                    await bell.wait()
            except TimeoutError:
                pass
            bell.clear()
            try:
                if not is_adopted:
                    await self._adopt(agent_id)
                    is_adopted = True
                pause, retry = await self._settle(agent_id), FIRST_RETRY_SECONDS
                if await self._is_gone(agent_id):
                    del self._bells[agent_id]
                    return
            except HiveError as error:
                log.warning("agent %d: %s; trying again", agent_id, error.message)
                pause, retry = retry, min(2 * retry, RETRY_SECONDS)
            except Exception:
                # A fault in handling one agent must not end the others.
                log.exception("agent %d: unexpected error; trying again", agent_id)
                pause, retry = retry, min(2 * retry, RETRY_SECONDS)

    async def _is_gone(self, agent_id: int) -> bool:
        agent = await self._store.read(lambda tx: tx.agents.get(agent_id))
        return agent is None or agent.state == "purged"

    async def _adopt(self, agent_id: int) -> None:
        """Before all else: the end of a run that ended while no service was there to see it."""
        agent = await self._store.read(lambda tx: tx.agents.get(agent_id))
        if agent is None or not agent.run or _is_over(agent, agent.run):
            return
        running = (await self._runtime.running()).get(agent.name)
        if running is None or running.id != agent.run:
            ended = await self._runtime.how_ended(agent.name, agent.run)
            await self._aftermath.record(ended, expected=self._storage.critical)

    async def _settle(self, agent_id: int) -> float | None:
        """One comparison; returns the seconds after which it is worth another, or None."""
        while operation := await self._next_operation(agent_id):
            await self._carry_out(operation)
        agent = await self._store.read(lambda tx: tx.agents.get(agent_id))
        if agent is None or agent.state != "present":
            return None
        await self._sockets.open(agent)
        running = (await self._runtime.running()).get(agent.name)
        unwanted = (
            agent.wanted == "stopped"
            or agent.quarantined
            or self._storage.critical
            or not self._is_built(agent)
        )
        if running is not None and (unwanted or _is_over(agent, running.id)):
            await self._stop(agent)
            await self._aftermath.stopped(agent)
            running = None
        if unwanted:
            return None
        if running is None:
            wait = await self._aftermath.restart_delay(agent)
            if wait > 0:
                return wait
            running = await self._start(agent)
        return await self._attendance.check(agent, running)

    def _is_built(self, agent: Agent) -> bool:
        """Otherwise its first deploy starts it."""
        return self._deploying is None or agent.bundle is not None

    async def _start(self, agent: Agent) -> Invocation:
        try:
            run = await self._runtime.start(agent)
        except HiveError as error:
            await self._aftermath.start_failed(agent, error.message)
            raise
        self._attendance.see(agent, run)
        await self._aftermath.started(agent, run.id)
        return run

    async def _next_operation(self, agent_id: int) -> Operation | None:
        opened = await self._store.read(lambda tx: tx.operations.open(agent_id))
        return opened[0] if opened else None

    async def _carry_out(self, operation: Operation) -> None:
        """Act, then record. Every step may be repeated after a crash at any point."""
        agent = await self._store.read(lambda tx: tx.agents.get(operation.agent_id))
        error = ""
        # A purged agent's name may be another's by now.
        if agent is not None and agent.state != "purged":
            try:
                await self._act(agent, operation)
            except HiveError as problem:
                if operation.kind == "destroy":
                    # Never given up: the name stays blocked until it is done.
                    await self._aftermath.hindered(operation, problem.message)
                    raise
                error = problem.message
                log.warning("%s of %s failed: %s", operation.kind, agent.name, error)
        await self._aftermath.finish(operation, error)

    async def _act(self, agent: Agent, operation: Operation) -> None:
        if operation.kind == "restart":
            await self._stop_for_restart(agent, operation)
        if operation.kind in ("stop", "destroy"):
            await self._stop(agent)
            await self._aftermath.stopped(agent)
        if operation.kind in ("spawn", "start", "restart") and agent.wanted == "running":
            await self._sockets.open(agent)
            if not self._is_built(agent):
                if operation.kind == "spawn":
                    return
                raise Unavailable(f"nothing was built for {agent.name} that could be started")
            if self._storage.critical:  # it starts by itself once there is room
                raise Unavailable(self._storage.problem)
            run = await self._start(agent)
            if operation.kind == "restart":
                self._check_bundle(agent, run)
        if operation.kind == "destroy":
            await self._sockets.close(agent.name)
            if operation.purge:
                await self._wipe(agent)

    def _check_bundle(self, agent: Agent, run: Invocation) -> None:
        """Somebody else may have been quicker, and started it from what was there before."""
        found = self._runtime.started_from(agent.name, run.id)
        if None not in (found, agent.bundle) and found != agent.bundle:
            raise Unavailable(f"it was started from {found} instead of {agent.bundle}")

    async def _wipe(self, agent: Agent) -> None:
        """Delete for good what it left. Every step may be repeated."""
        await self._runtime.purge(agent.name)
        if self._deploying is not None:
            await self._deploying.forget(agent.name)

    async def _stop_for_restart(self, agent: Agent, operation: Operation) -> None:
        """Stop what ran when the operation began; repeated after a crash, spare a newer run."""
        running = (await self._runtime.running()).get(agent.name)
        meant = operation.invocation
        if meant is None:
            meant = running.id if running else ""
            aimed = replace(operation, invocation=meant)
            await self._store.write(lambda tx: tx.operations.save(aimed), essential=True)
        if running is None or running.id == meant:
            await self._stop(agent, meant)
            await self._aftermath.stopped(agent)

    async def _stop(self, agent: Agent, invocation: str | None = None) -> None:
        running = (await self._runtime.running()).get(agent.name)
        if running is not None:
            self._ending.add(running.id)
        await self._runtime.stop(agent.name, invocation)


def _is_over(agent: Agent, run: str) -> bool:
    """Whether its end is recorded already."""
    return agent.last_end is not None and agent.last_end.invocation == run
