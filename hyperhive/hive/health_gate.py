"""Whether an agent has come up healthy from what was deployed. It asks no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.presence import Links
from hyperhive.hive.records import Event


class NotHealthy(Exception):
    """Its text says why."""


class HealthGate:
    """Passed when the start that the deploy ordered is done, and its harness finds itself fit."""

    def __init__(self, store: Store, clock: Clock, links: Links) -> None:
        self._store = store
        self._clock = clock
        self._links = links

    async def passed(self, deploy: Deploy) -> None:
        """Returns once it is; raises NotHealthy when it is not going to be, or not in time."""
        assert deploy.built is not None
        if deploy.operation_id is None:  # nothing was started: it is stopped, or goes on running
            return
        limit = deploy.built.settings.health_timeout
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
        operation = tx.operations.get(deploy.operation_id or 0)
        if agent is None or agent.state != "present" or operation is None:
            raise NotHealthy(f"{deploy.agent} was removed")
        if operation.state == "failed":
            raise NotHealthy(operation.error)
        if operation.state == "open":
            return False
        if agent.wanted == "stopped":
            raise NotHealthy("it was stopped before it was healthy")
        if agent.quarantined:
            raise NotHealthy(agent.quarantined)
        end = agent.last_end
        if end is not None and end.unexpected and end.invocation == agent.run:
            raise NotHealthy(f"it ended as soon as it ran: {end.reason}, exit {end.exit}")
        present = self._links.get(agent.id)
        # Of the new run: the link of the old one went down before the operation was done.
        if present is None or present.healthy is None:
            return False
        if not present.healthy:
            raise NotHealthy(present.problem)
        return True
