"""Whether an agent has come up healthy from what was deployed. It asks no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.presence import Links
from hyperhive.hive.records import Agent, Event


LIVE_SECONDS = 10.0
"""For a running harness to take over new settings."""


class NotHealthy(Exception):
    """Its text says why."""


class HealthGate:
    """Passed when the harness has the deploy's settings in force and finds itself fit.

    Of a start that the deploy ordered, it is the harness of that start. What is stopped passes.
    """

    def __init__(self, store: Store, clock: Clock, links: Links) -> None:
        self._store = store
        self._clock = clock
        self._links = links

    async def passed(self, deploy: Deploy) -> None:
        """Returns once it is; raises NotHealthy when it is not going to be, or not in time."""
        assert deploy.built is not None
        is_live = deploy.operation_id is None
        limit = LIVE_SECONDS if is_live else deploy.built.settings.health_timeout
        bell = asyncio.Event()

        def ring(events: Sequence[Event]) -> None:
            if any(e.agent == deploy.agent for e in events):
                bell.set()

        stop = self._store.subscribe(ring)
        try:
            async with asyncio.timeout(limit):
                while True:
                    bell.clear()
                    if await self._store.read(lambda tx: self._is_healthy(tx, deploy)):
                        return
                    await bell.wait()
        except TimeoutError:
            raise NotHealthy(f"not healthy within {limit:g} s") from None
        finally:
            stop()

    def _is_healthy(self, tx: Transaction, deploy: Deploy) -> bool:
        agent = tx.agents.get(deploy.agent_id)
        if agent is None or agent.state != "present":
            raise NotHealthy(f"{deploy.agent} was removed")
        if deploy.operation_id is None:
            if agent.wanted == "stopped":
                return True
        elif not self._is_started(tx, agent, deploy.operation_id):
            return False
        # Of the new run: the link of the old one went down before its operation was done.
        present = self._links.get(agent.id)
        if present is None or present.healthy is None:
            return False
        if present.settings_version != agent.settings_version:
            return False
        if not present.healthy:
            raise NotHealthy(present.problem)
        return True

    def _is_started(self, tx: Transaction, agent: Agent, operation_id: int) -> bool:
        operation = tx.operations.get(operation_id)
        if operation is None or operation.state == "failed":
            raise NotHealthy(operation.error if operation else "its start was not ordered")
        if operation.state == "open":
            return False
        if agent.wanted == "stopped":
            raise NotHealthy("it was stopped before it was healthy")
        if agent.quarantined:
            raise NotHealthy(agent.quarantined)
        end = agent.last_end
        if end is not None and end.unexpected and end.invocation == agent.run:
            raise NotHealthy(f"it ended as soon as it ran: {end.reason}, exit {end.exit}")
        return True
