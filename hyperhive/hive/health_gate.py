"""Whether an agent has come up healthy from what was deployed. It asks no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.presence import Links
from hyperhive.hive.records import Agent, Event

EVENTS = 1_000
"""Of an agent, that are looked at from where its trial begins."""
LIVE_SECONDS = 10.0
"""For a running harness to take over new settings."""
START_SECONDS = 300.0
"""For what ran to be stopped and the new to be started; the harness has its own time after it."""


class NotHealthy(Exception):
    """Its text says why."""


class HealthGate:
    """Passed when the harness has the deploy's settings in force and finds itself fit.

    Of a start that the deploy ordered, it is the harness of that start. What is stopped passes.
    """

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links

    def can_take_over(self, agent: Agent) -> bool:
        """Whether new settings alone could help it: not where its run is over, or unfit."""
        end, present = agent.last_end, self._links.get(agent.id)
        is_over = agent.quarantined or (end is not None and end.invocation == agent.run)
        return not is_over and (present is None or present.healthy is not False)

    async def passed(self, deploy: Deploy) -> None:
        """Returns once it is; raises NotHealthy when it is not going to be, or not in time."""
        bell = asyncio.Event()

        def ring(events: Sequence[Event]) -> None:
            if any(e.agent == deploy.agent for e in events):
                bell.set()

        what, limit = "started", START_SECONDS
        stop = self._store.subscribe(ring)
        try:
            async with asyncio.timeout(limit) as timer:
                while True:
                    bell.clear()
                    is_started = await self._store.read(lambda tx: self._is_started(tx, deploy))
                    if is_started and what == "started":
                        what, limit = "healthy", self._limit(deploy)
                        timer.reschedule(asyncio.get_running_loop().time() + limit)
                    if is_started and await self._store.read(lambda tx: self._is_fit(tx, deploy)):
                        return
                    await bell.wait()
        except TimeoutError:
            raise NotHealthy(f"not {what} within {limit:g} s") from None
        finally:
            stop()

    def _limit(self, deploy: Deploy) -> float:
        """One that is not linked yet, as after a start of the service, has the time of a start."""
        assert deploy.built is not None
        is_live = deploy.operation_id is None and self._links.get(deploy.agent_id) is not None
        return LIVE_SECONDS if is_live else deploy.built.settings.health_timeout

    def _is_started(self, tx: Transaction, deploy: Deploy) -> bool:
        agent = tx.agents.get(deploy.agent_id)
        if agent is None or agent.state != "present":
            raise NotHealthy(f"{deploy.agent} was removed")
        if deploy.operation_id is None:
            return True
        operation = tx.operations.get(deploy.operation_id)
        if operation is None or operation.state == "failed":
            raise NotHealthy(operation.error if operation else "its start was not ordered")
        if operation.state == "open":
            return False
        if agent.wanted == "stopped":
            raise NotHealthy("it was stopped before it was healthy")
        if agent.quarantined:
            raise NotHealthy(agent.quarantined)
        if end := _crash(tx, agent):
            raise NotHealthy(f"it ended as soon as it ran: {end}")
        return True

    def _is_fit(self, tx: Transaction, deploy: Deploy) -> bool:
        agent = tx.agents.get(deploy.agent_id)
        if agent is None or (deploy.operation_id is None and agent.wanted == "stopped"):
            return True
        # Of the new run: what was linked is forgotten when a run is stopped.
        present = self._links.get(agent.id)
        if present is None or present.settings_version != agent.settings_version:
            return False
        if present.healthy is False:
            raise NotHealthy(present.problem)
        return present.healthy is True


def _crash(tx: Transaction, agent: Agent) -> str:
    """How a run of what is tried ended, also where another one was begun since; or empty."""
    end = agent.last_end
    if end is not None and end.unexpected and end.invocation == agent.run:
        return f"{end.reason}, exit {end.exit}"
    is_begun = False  # before that it is the end of what ran until now
    for event in tx.events.after(agent.crashes_from, EVENTS, agent.name):
        if event.kind == "crash" and is_begun:
            return f"{event.data['reason']}, exit {event.data['exit']}"
        is_begun = is_begun or event.kind == "started"
    return ""
