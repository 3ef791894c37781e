"""What follows from an agent's start, stop, crash or end, in rows and in mail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyperhive.hive.approvals import Approvals
from hyperhive.hive.clock import Clock
from hyperhive.hive.leases import Leases
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Ended, Store, Transaction
from hyperhive.hive.presence import Links
from hyperhive.hive.questions import Questions
from hyperhive.hive.records import Agent, Operation
from hyperhive.hive.settling import end_leases
from hyperhive.protocol.model import OPERATOR

MAX_RESTART_DELAY = 60.0
"""Seconds."""


class Aftermath:
    """Records outcomes; it acts on nothing itself."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        leases: Leases,
        questions: Questions,
        approvals: Approvals,
        links: Links,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._leases = leases
        self._questions = questions
        self._approvals = approvals
        self._links = links

    async def record(self, ended: Ended) -> Agent | None:
        """A run is over. Unexpected while running is wanted: a crash, told to the manager."""

        def change(tx: Transaction) -> Agent | None:
            agent = tx.agents.by_name(ended.invocation.agent)
            if agent is not None:
                crashed = self._record(tx, agent, ended)
                end_leases(tx, self._clock, self._policy, agent.id, blame=crashed)
            return agent

        return await self._store.write(change, essential=True)

    def _record(self, tx: Transaction, agent: Agent, ended: Ended) -> bool:
        """Returns whether it was a crash."""
        stopping = any(
            o.kind in ("stop", "restart", "destroy") for o in tx.operations.open(agent.id)
        )
        now = self._clock.now()
        facts: dict[str, Any] = {
            "invocation": ended.invocation.id,
            "reason": ended.reason,
            "exit": ended.exit,
        }
        if stopping or agent.wanted != "running" or agent.state != "present":
            tx.events.append("ended", agent.name, facts, now)
            return False
        tx.events.append("crash", agent.name, facts, now)
        since = now - self._policy.crash_window_seconds
        crashes = len(tx.events.crashes(agent.name, since))
        told = {"agent": agent.name, "reason": ended.reason, "exit": ended.exit, "attempt": crashes}
        if crashes >= self._policy.crash_limit and not agent.quarantined:
            minutes = round(self._policy.crash_window_seconds / 60)
            why = f"{crashes} crashes within {minutes} minutes; start it to try again"
            tx.agents.save(replace(agent, quarantined=why))
            told["quarantined"] = why
        tx.events.append("agent", agent.name, {"state": "crashed"}, now)
        notify_manager(tx, self._clock, agent.name, "container_crash", told)
        return True

    async def restart_delay(self, agent: Agent) -> float:
        """Seconds to wait before a start: doubles with every crash in the window."""

        def query(tx: Transaction) -> tuple[int, float]:
            now = self._clock.now()
            since = now - self._policy.crash_window_seconds
            ends = [e.at for e in tx.events.crashes(agent.name, since)]
            return len(ends), max(ends, default=0.0)

        crashes, last = await self._store.read(query)
        if not crashes:
            return 0.0
        delay = self._policy.restart_delay_seconds * 2.0 ** (crashes - 1)
        # A clock stepped back must not keep an agent down for long.
        return min(min(delay, MAX_RESTART_DELAY), last + delay - self._clock.now())

    async def start_failed(self, agent: Agent, problem: str) -> None:
        """It could not be started; shown until a start succeeds."""
        if self._links.start_problems.get(agent.id) == problem:
            return
        self._links.start_problems[agent.id] = problem

        def change(tx: Transaction) -> None:
            tx.events.append("start_failed", agent.name, {"problem": problem}, self._clock.now())

        await self._store.write(change)

    async def started(self, agent: Agent) -> None:
        """The reconciler started it by itself."""
        self._links.start_problems.pop(agent.id, None)

        def change(tx: Transaction) -> None:
            tx.events.append("started", agent.name, {}, self._clock.now())

        await self._store.write(change, essential=True)

    async def stopped(self, agent: Agent) -> None:
        """Stopped on purpose: nothing it held is to blame."""
        await self._leases.give_back_all(agent.id)

    async def purged(self, agent: Agent) -> None:
        """Its files are gone: the name is free, its mail is kept as undeliverable."""

        def change(tx: Transaction) -> None:
            tx.agents.save(agent)
            queued = tx.messages.queued(agent.id)
            if queued:
                tx.messages.settle(queued, "undeliverable", "purged", self._clock.now())
            self._questions.withdraw_for(tx, agent)
            tx.events.append("agent", agent.name, {"state": "purged"}, self._clock.now())

        await self._store.write(change, essential=True)

    async def finish(self, operation: Operation, error: str) -> None:
        """The operation is over; whoever waits for it is told."""

        def change(tx: Transaction) -> None:
            now = self._clock.now()
            over = replace(
                operation, state="failed" if error else "done", error=error, ended_at=now
            )
            tx.operations.save(over)
            data = {"operation": over.kind, "state": over.state, "error": error}
            tx.events.append("operation", over.agent, data, now)
            if over.approval_id is not None:
                self._approvals.finish(tx, over.approval_id, error)
            self._tell(tx, over)
            agent = tx.agents.get(over.agent_id)
            if over.kind == "destroy" and agent is not None:
                self._approvals.withdraw_for(tx, agent)

        await self._store.write(change, essential=True)

    def _tell(self, tx: Transaction, over: Operation) -> None:
        event = {
            "spawn": "spawned",
            "start": "started",
            "restart": "started",
            "stop": "stopped",
            "destroy": "destroyed",
        }[over.kind]
        told: dict[str, Any] = {"agent": over.agent, "ok": over.state == "done", "note": over.error}
        if over.kind == "destroy":
            told["purged"] = over.purge
        by_itself = over.actor != OPERATOR and over.kind in ("start", "restart", "stop")
        if not by_itself:  # who ordered it has the answer already
            notify_manager(tx, self._clock, over.agent, event, told)
