"""Tries what was built: in place, through the health gate, or back to what ran before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from hyperhive.hive.approvals import Approvals
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_orders import log_deploy
from hyperhive.hive.deploy_rows import Built, Deploy
from hyperhive.hive.health_gate import HealthGate, NotHealthy
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.ports import Builds, Configs, Store, Transaction
from hyperhive.hive.records import Agent
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_SECONDS = 5.0


class Trial:
    """From the bundle to the end of a deploy; every step may be repeated after a crash."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        configs: Configs,
        builds: Builds,
        approvals: Approvals,
        gate: HealthGate,
    ) -> None:
        self._store = store
        self._clock = clock
        self._configs = configs
        self._builds = builds
        self._approvals = approvals
        self._gate = gate

    async def put_in_place(self, deploy: Deploy) -> Deploy | None:
        """The next start is from the new bundle; ordered at once if it is to run.

        None when it was cancelled, or there is no such agent any more.
        """
        built = deploy.built
        assert built is not None

        def change(tx: Transaction) -> Deploy | None:
            known = tx.deploys.get(deploy.id)
            agent = tx.agents.get(deploy.agent_id)
            if known is None or known.state == "cancelled":
                return None
            if agent is None or agent.state != "present":
                self.over(tx, replace(deploy, state="cancelled", error="the agent was removed"))
                return None
            previous = tx.deploys.get(agent.deploy) if agent.deploy is not None else None
            operation_id = None
            if agent.wanted == "running" and not _is_live_change(previous, built):
                operation_id = self._order_restart(tx, agent)
            trying = replace(
                deploy,
                begun_at=known.begun_at,
                state="starting",
                previous=previous.id if previous else None,
                operation_id=operation_id,
            )
            self._run_from(tx, agent, trying)
            tx.deploys.save(trying)
            log_deploy(tx, self._clock, trying)
            return trying

        return await self._store.write(change)

    async def carry_through(self, deploy: Deploy) -> None:
        """To the end, whichever it is."""
        try:
            await self._gate.passed(deploy)
        except NotHealthy as problem:
            await self._put_back(deploy, str(problem))
            return
        await self._insist(lambda: self._configs.settle(deploy.agent, deploy.id, deploy.commit))

        def done(tx: Transaction) -> None:
            self.over(tx, replace(deploy, state="done"))

        await self._insist(lambda: self._store.write(done, essential=True))
        await self._keep(deploy.agent_id)

    async def _put_back(self, deploy: Deploy, why: str) -> None:
        """What ran before is started again; without anything before, nothing."""

        def change(tx: Transaction) -> Deploy:
            agent = tx.agents.get(deploy.agent_id)
            previous = tx.deploys.get(deploy.previous) if deploy.previous is not None else None
            if agent is None or agent.state != "present":
                return self.over(tx, replace(deploy, state="failed", error=why))
            if previous is None:
                tx.agents.save(replace(agent, bundle=None, deploy=None))
                tx.events.append("agent", agent.name, {"deploy": None}, self._clock.now())
                return self.over(tx, replace(deploy, state="failed", error=why))
            if deploy.operation_id is not None and agent.wanted == "running":
                self._order_restart(tx, agent)
            self._run_from(tx, agent, previous)
            return self.over(tx, replace(deploy, state="rolled_back", error=why))

        over = await self._insist(lambda: self._store.write(change, essential=True))
        await self._insist(lambda: self._configs.fail(over.agent, over.id, over.commit, why))
        await self._keep(deploy.agent_id)

    def _run_from(self, tx: Transaction, agent: Agent, deploy: Deploy) -> None:
        assert deploy.built is not None
        agent = tx.agents.get(agent.id) or agent
        changed = replace(
            agent,
            bundle=deploy.built.bundle,
            deploy=deploy.id,
            settings=deploy.built.settings,
            settings_version=agent.settings_version + 1,
            quarantined=None,
        )
        tx.agents.save(changed)
        data = {"settings": changed.settings_version, "deploy": deploy.id}
        tx.events.append("agent", agent.name, data, self._clock.now())

    def _order_restart(self, tx: Transaction, agent: Agent) -> int:
        operation = tx.operations.add("restart", agent.id, agent.name, "deploy", self._clock.now())
        tx.events.append("agent", agent.name, {"operation": "restart"}, self._clock.now())
        return operation.id

    def over(self, tx: Transaction, deploy: Deploy) -> Deploy:
        """It ended in its state, and whoever waits for it is told."""
        over = replace(deploy, ended_at=self._clock.now())
        tx.deploys.save(over)
        log_deploy(tx, self._clock, over)
        if over.approval_id is not None:
            self._approvals.finish(tx, over.approval_id, over.error)
        told = {
            "agent": over.agent,
            "ok": over.state == "done",
            "deploy": over.id,
            "sha": over.commit,
            "note": over.error,
        }
        event = "rolled_back" if over.state == "rolled_back" else "rebuilt"
        notify_manager(tx, self._clock, over.agent, event, told)
        return over

    async def _keep(self, agent_id: int) -> None:
        """Only what runs and what a rollback needs outlives a garbage collection."""

        def find(tx: Transaction) -> tuple[str, dict[str, str]]:
            agent = tx.agents.get(agent_id)
            if agent is None or agent.deploy is None:
                return "", {}
            running = tx.deploys.get(agent.deploy)
            previous = tx.deploys.get(running.previous) if running and running.previous else None
            rows = {"running": running, "previous": previous}
            return agent.name, {
                role: row.built.bundle for role, row in rows.items() if row and row.built
            }

        name, bundles = await self._store.read(find)
        if name:
            await self._insist(lambda: self._builds.keep(name, bundles))

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Until it works: an agent is between two configurations until then."""
        while True:
            try:
                return await act()
            except HiveError as error:
                log.warning("%s; trying again", error.message)
                await asyncio.sleep(RETRY_SECONDS)


def _is_live_change(previous: Deploy | None, built: Built) -> bool:
    """Whether the harness can take it over as it runs: the same system, the same limits."""
    if previous is None or previous.built is None:
        return False
    before = previous.built
    return (before.system, before.settings.limits) == (built.system, built.settings.limits)
