"""Sees to it that the harness of each run is there and fit within its time.

A start that leaves the harness silent is a failed one: the run is ended and counts as a crash. One
that is there but not fit goes on, since starting it again would change nothing; it is shown.
"""

from __future__ import annotations

from dataclasses import replace

from hyperhive.hive.aftermath import Aftermath
from hyperhive.hive.clock import Clock
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.ports import Ended, EndReason, Invocation, Store, Transaction
from hyperhive.hive.presence import Links, Presence
from hyperhive.hive.records import Agent


class Attendance:
    """Each harness has `healthTimeout` seconds from its start, its hello or the loss of its link.

    After a restart of the service it has them anew.
    """

    def __init__(self, store: Store, clock: Clock, links: Links, aftermath: Aftermath) -> None:
        self._store = store
        self._clock = clock
        self._links = links
        self._aftermath = aftermath
        self._seen: dict[int, tuple[str, float]] = {}
        """Each agent's run, and the boot time at which it was first seen."""
        self._told: dict[int, str] = {}
        """Each agent's run that was told to be unfit."""

    async def check(self, agent: Agent, run: Invocation) -> float | None:
        """To be called while it runs; returns the seconds after which to call again, if any."""
        since = self.see(agent, run)
        if agent.run != run.id:
            agent = await self._note_run(agent, run)
        presence = self._links.get(agent.id)
        if presence is not None and presence.healthy:
            return None
        since = max(since, self._links.changed(agent.id))
        left = since + agent.settings.health_timeout - self._clock.boottime()
        if left > 0:
            return left
        if presence is None:
            await self._end_silent(agent, run)
        elif self._told.get(agent.id) != run.id:
            self._told[agent.id] = run.id
            await self._tell_unfit(agent, presence)
        return None

    async def _note_run(self, agent: Agent, run: Invocation) -> Agent:
        def change(tx: Transaction) -> Agent:
            noted = replace(tx.agents.get(agent.id) or agent, run=run.id)
            tx.agents.save(noted)
            return noted

        return await self._store.write(change, essential=True)

    def see(self, agent: Agent, run: Invocation) -> float:
        """It runs, and its time begins; returns the boot time at which it was first seen."""
        known, since = self._seen.get(agent.id, ("", 0.0))
        if known != run.id:
            since = self._clock.boottime()
            self._seen[agent.id] = run.id, since
        return since

    async def _end_silent(self, agent: Agent, run: Invocation) -> None:
        """The end is recorded before it is made: whatever has ended must not go on."""
        _, since = self._seen[agent.id]
        was_there = self._links.changed(agent.id) > since
        reason: EndReason = "killed" if was_there else "start_timeout"
        what = "its harness was silent for" if was_there else "no word from its harness within"
        problem = f"{what} {agent.settings.health_timeout:g} s; see its log"
        await self._aftermath.record(Ended(run, reason, None), problem=problem)

    async def _tell_unfit(self, agent: Agent, presence: Presence) -> None:
        timeout = agent.settings.health_timeout
        late = f"its self-check was not over within {timeout:g} s; see its log"
        problem = presence.problem or late

        def change(tx: Transaction) -> None:
            known = tx.agents.get(agent.id)
            if known is None or known.problem == problem:  # an earlier service told of it
                return
            tx.agents.save(replace(known, problem=problem))
            tx.events.append("start_failed", agent.name, {"problem": problem}, self._clock.now())
            told = {"agent": agent.name, "ok": False, "note": problem}
            notify_manager(tx, self._clock, agent.name, "started", told)

        await self._store.write(change, essential=True)
