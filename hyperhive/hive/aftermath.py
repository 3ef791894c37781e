"""What follows from an agent's start, stop, crash or end, in rows and in mail."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from hyperhive.hive import approval_steps
from hyperhive.hive.clock import Clock, deadline_in, remaining
from hyperhive.hive.declarations import bury
from hyperhive.hive.leases import Leases
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Ended, Store, Transaction
from hyperhive.hive.presence import Links
from hyperhive.hive.questions import Questions
from hyperhive.hive.records import Agent, Deadline, Event, Operation, RunEnd
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
        links: Links,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._leases = leases
        self._questions = questions
        self._links = links

    async def record(
        self, ended: Ended, *, expected: bool = False, problem: str = ""
    ) -> Agent | None:
        """A run is over. Unexpected while running is wanted: a crash, told to the manager.

        Of one that is known already nothing follows: a runtime may tell of it to each service.
        `problem` is for people, and lasts until a run is fit.
        """

        def change(tx: Transaction) -> Agent | None:
            agent = tx.agents.by_name(ended.invocation.agent)
            if agent is not None and not _is_known(agent, ended):
                crashed = not expected and _is_wanted(agent) and not _is_ordered(tx, agent, ended)
                agent = self._note_end(tx, agent, ended, crashed, problem)
                if crashed:
                    self._record_crash(tx, agent, ended, problem)
                else:
                    tx.events.append("ended", agent.name, _facts(ended), self._clock.now())
                end_leases(tx, self._clock, self._policy, agent.id, blame=crashed)
            return agent

        return await self._store.write(change, essential=True)

    def _note_end(
        self, tx: Transaction, agent: Agent, ended: Ended, crashed: bool, problem: str
    ) -> Agent:
        now, run = self._clock.now(), ended.invocation.id
        end = RunEnd(ended.reason, ended.exit, now, crashed, run)
        noted = replace(agent, last_end=end, problem=problem or agent.problem)
        tx.agents.save(noted)
        return noted

    def _record_crash(self, tx: Transaction, agent: Agent, ended: Ended, problem: str) -> None:
        now = self._clock.now()
        crashes = len(self._crashes(tx, agent)) + 1
        delay = self._policy.restart_delay_seconds * 2.0 ** min(crashes - 1, 60)
        restart = deadline_in(self._clock, min(delay, MAX_RESTART_DELAY))
        tx.events.append("crash", agent.name, {**_facts(ended), "restart": asdict(restart)}, now)
        told = {"agent": agent.name, "reason": ended.reason, "exit": ended.exit, "attempt": crashes}
        if problem:
            told["note"] = problem
        if crashes >= self._policy.crash_limit:
            minutes = round(self._policy.crash_window_seconds / 60)
            why = f"{crashes} crashes within {minutes} minutes; start it to try again"
            tx.agents.save(replace(agent, quarantined=why))
            told["quarantined"] = why
        tx.events.append("agent", agent.name, {"state": "crashed"}, now)
        notify_manager(tx, self._clock, agent.name, "container_crash", told)

    def _crashes(self, tx: Transaction, agent: Agent) -> list[Event]:
        """Those that count, oldest first: not too old, and not another agent's of this name."""
        since = max(self._clock.now() - self._policy.crash_window_seconds, agent.created_at)
        found = tx.events.crashes(agent.name, since)
        return [event for event in found if event.seq > agent.crashes_from]

    async def restart_delay(self, agent: Agent) -> float:
        """Seconds to wait before a start: doubles with every crash in the window."""
        crashes = await self._store.read(lambda tx: self._crashes(tx, agent))
        if not crashes:
            return 0.0
        return remaining(Deadline(**crashes[-1].data["restart"]), self._clock)

    async def start_failed(self, agent: Agent, problem: str) -> None:
        """It could not be started; shown until a start succeeds."""
        if self._links.start_problems.get(agent.id) == problem:
            return
        self._links.start_problems[agent.id] = problem

        def change(tx: Transaction) -> None:
            tx.events.append("start_failed", agent.name, {"problem": problem}, self._clock.now())

        await self._store.write(change)

    async def started(self, agent: Agent, run: str) -> None:
        """This invocation runs now."""
        self._links.start_problems.pop(agent.id, None)

        def change(tx: Transaction) -> None:
            tx.agents.save(replace(tx.agents.get(agent.id) or agent, run=run))
            tx.events.append("started", agent.name, {}, self._clock.now())

        await self._store.write(change, essential=True)

    async def stopped(self, agent: Agent) -> None:
        """Stopped on purpose: nothing it held is to blame."""
        self._links.forget(agent.id, self._clock.boottime())
        await self._leases.give_back_all(agent.id)

    async def hindered(self, operation: Operation, problem: str) -> None:
        """It cannot be done now and is tried again; shown meanwhile."""

        def change(tx: Transaction) -> None:
            known = tx.operations.get(operation.id)
            if known is not None and known.error != problem:
                tx.operations.save(replace(known, error=problem))
                self._log(tx, replace(known, error=problem))

        await self._store.write(change, essential=True)

    async def finish(self, operation: Operation, error: str) -> None:
        """The operation is over; whoever waits for it is told."""

        def change(tx: Transaction) -> None:
            over = replace(
                tx.operations.get(operation.id) or operation,
                state="failed" if error else "done",
                error=error,
                ended_at=self._clock.now(),
            )
            tx.operations.save(over)
            self._log(tx, over)
            if over.approval_id is not None:
                approval_steps.finish(tx, self._clock, over.approval_id, error)
            agent = tx.agents.get(over.agent_id)
            if over.kind == "destroy" and agent is not None:
                if over.purge:
                    self._forget(tx, agent)
                approval_steps.withdraw_for(tx, self._clock, agent)
            self._tell(tx, over)

        await self._store.write(change, essential=True)

    def _forget(self, tx: Transaction, agent: Agent) -> None:
        """Its files are gone: the name is free, its mail is kept as undeliverable."""
        gone = replace(agent, state="purged")
        tx.agents.save(gone)
        bury(tx, agent)
        if queued := tx.messages.queued(agent.id):
            tx.messages.settle(queued, "undeliverable", "purged", self._clock.now())
        self._questions.withdraw_for(tx, gone)
        tx.events.append("agent", agent.name, {"state": "purged"}, self._clock.now())

    def _log(self, tx: Transaction, operation: Operation) -> None:
        data = {
            "operation": operation.kind,
            "state": operation.state,
            "error": operation.error,
        }
        tx.events.append("operation", operation.agent, data, self._clock.now())

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


def _is_wanted(agent: Agent) -> bool:
    return agent.state == "present" and agent.wanted == "running" and not agent.quarantined


def _is_known(agent: Agent, ended: Ended) -> bool:
    return agent.last_end is not None and agent.last_end.invocation == ended.invocation.id


def _is_ordered(tx: Transaction, agent: Agent, ended: Ended) -> bool:
    """Whether an operation that a service did not live to finish was to end this very run."""
    run = ended.invocation.id
    return any(
        o.kind in ("stop", "destroy") or o.invocation == run for o in tx.operations.open(agent.id)
    )


def _facts(ended: Ended) -> dict[str, Any]:
    return {"invocation": ended.invocation.id, "reason": ended.reason, "exit": ended.exit}
