"""Carries out deploys one after the other: evaluate, build, start, and back if it does not come up.

Every step is recorded before the next; a service that ends in the middle goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hyperhive.hive.approvals import Approvals
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_orders import log_deploy
from hyperhive.hive.deploy_rows import Built, Deploy, DeployState
from hyperhive.hive.deploys import Deploys
from hyperhive.hive.health_gate import HealthGate, NotHealthy
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Builds, Configs, Store, Transaction
from hyperhive.hive.records import Agent, Event
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_SECONDS = 5.0


class Deployer:
    """Owns the queue; `run` is its task."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        configs: Configs,
        builds: Builds,
        deploys: Deploys,
        approvals: Approvals,
        gate: HealthGate,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._configs = configs
        self._builds = builds
        self._deploys = deploys
        self._approvals = approvals
        self._gate = gate
        self._bell = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._current: int | None = None

    async def run(self) -> None:
        """Until cancelled."""
        stop = self._store.subscribe(self._see)
        try:
            while True:
                self._bell.clear()
                queue = await self._store.read(self._deploys.queue)
                if not queue:
                    await self._bell.wait()
                    continue
                try:
                    await self._carry_out(queue[0])
                except HiveError as error:  # the store's: what was done is not recorded yet
                    log.warning("deploy %d: %s; trying again", queue[0].id, error.message)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            stop()

    def _see(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind == "deploy":
                self._bell.set()
                if event.data["deploy"] == self._current and event.data["state"] == "cancelled":
                    self._cancelled.set()

    async def _carry_out(self, deploy: Deploy) -> None:
        self._current = deploy.id
        self._cancelled.clear()
        try:
            if deploy.state != "starting":
                ready = await self._prepare(deploy)
                if ready is None:
                    return
                deploy = ready
            await self._try(deploy)
        finally:
            self._current = None

    # --- up to the bundle ---

    async def _prepare(self, deploy: Deploy) -> Deploy | None:
        """Evaluated, built and in place; None when that failed or was cancelled."""
        try:
            if deploy.built is None:
                deploy = await self._step(deploy, "evaluating")
                built = await self._unless_cancelled(
                    self._builds.evaluate(deploy.id, deploy.agent, deploy.commit)
                )
                if built is None:
                    return None
                self._check(built)
                deploy = replace(deploy, built=built)
            deploy = await self._step(deploy, "building")
            assert deploy.built is not None
            bundle = await self._unless_cancelled(
                self._builds.build(deploy.id, deploy.agent, deploy.built.drv)
            )
            if bundle is None:
                return None
            return await self._put_in_place(
                replace(deploy, built=replace(deploy.built, bundle=bundle))
            )
        except HiveError as error:
            await self._end(deploy, "failed", error.message)
            return None

    def _check(self, built: Built) -> None:
        """What only the host knows. Raises InvalidField."""
        for field, name in (
            ("model", built.settings.model),
            ("fallbackModel", built.settings.fallback_model),
        ):
            if name is not None:
                self._policy.check_model(name, field)

    async def _unless_cancelled(self, step: Coroutine[Any, Any, T]) -> T | None:
        working = asyncio.create_task(step)
        watching = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _step(self, deploy: Deploy, state: DeployState) -> Deploy:
        """Record the state unless it is over. Raises HiveError of the store."""
        now = self._clock.now()
        moved = replace(deploy, state=state, begun_at=deploy.begun_at or now)

        def change(tx: Transaction) -> None:
            tx.deploys.save(moved)
            log_deploy(tx, self._clock, moved)

        await self._store.write(change)
        return moved

    # --- from the bundle on ---

    async def _put_in_place(self, deploy: Deploy) -> Deploy | None:
        """The next start is from the new bundle; ordered at once if it is to run."""
        built = deploy.built
        assert built is not None

        def change(tx: Transaction) -> Deploy | None:
            known = tx.deploys.get(deploy.id)
            agent = tx.agents.get(deploy.agent_id)
            if known is None or known.state == "cancelled":
                return None
            if agent is None or agent.state != "present":
                over = replace(deploy, state="cancelled", error=f"{deploy.agent} was removed")
                return self._over(tx, over)
            previous = tx.deploys.get(agent.deploy) if agent.deploy is not None else None
            operation_id = None
            if agent.wanted == "running" and not _is_live_change(previous, built):
                operation_id = self._order_restart(tx, agent)
            trying = replace(
                deploy,
                state="starting",
                previous=previous.id if previous else None,
                operation_id=operation_id,
            )
            self._run_from(tx, agent, trying)
            tx.deploys.save(trying)
            log_deploy(tx, self._clock, trying)
            return trying

        return await self._store.write(change)

    async def _try(self, deploy: Deploy) -> None:
        try:
            await self._gate.passed(deploy)
        except NotHealthy as problem:
            await self._put_back(deploy, str(problem))
            return
        await self._insist(lambda: self._configs.settle(deploy.agent, deploy.id, deploy.commit))
        await self._end(deploy, "done", "")
        await self._keep(deploy.agent_id)

    async def _put_back(self, deploy: Deploy, why: str) -> None:
        """What ran before is started again; without anything before, nothing."""

        def change(tx: Transaction) -> Deploy:
            agent = tx.agents.get(deploy.agent_id)
            previous = tx.deploys.get(deploy.previous) if deploy.previous is not None else None
            if agent is None or agent.state != "present":
                return self._over(tx, replace(deploy, state="failed", error=why))
            if previous is None:
                stopped = replace(agent, wanted="stopped", bundle=None, deploy=None)
                tx.agents.save(stopped)
                tx.operations.add("stop", agent.id, agent.name, "system", self._clock.now())
                tx.events.append("agent", agent.name, {"wanted": "stopped"}, self._clock.now())
                return self._over(tx, replace(deploy, state="failed", error=why))
            if deploy.operation_id is not None and agent.wanted == "running":
                self._order_restart(tx, agent)
            self._run_from(tx, agent, previous)
            return self._over(tx, replace(deploy, state="rolled_back", error=why))

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

    # --- ends ---

    async def _end(self, deploy: Deploy, state: DeployState, why: str) -> None:
        def change(tx: Transaction) -> None:
            known = tx.deploys.get(deploy.id)
            if known is not None and known.state != "cancelled":
                self._over(tx, replace(deploy, state=state, error=why))

        await self._store.write(change, essential=True)

    def _over(self, tx: Transaction, deploy: Deploy) -> Deploy:
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
