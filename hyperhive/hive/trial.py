"""Tries what was built: in place, through the health gate, or back to what ran before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from hyperhive.hive.approval_steps import outdate
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Configs
from hyperhive.hive.deploy_ends import Ends
from hyperhive.hive.deploy_orders import log_deploy
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.health_gate import HealthGate, NotHealthy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Agent
from hyperhive.hive.retry import a_few_times, insist
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)


class Trial:
    """From the bundle to the end of a deploy; every step may be repeated after a crash."""

    def __init__(
        self, store: Store, clock: Clock, configs: Configs, gate: HealthGate, ends: Ends
    ) -> None:
        self._store = store
        self._clock = clock
        self._configs = configs
        self._gate = gate
        self._ends = ends

    async def put_in_place(self, deploy: Deploy) -> Deploy | None:
        """The next start is from the new bundle; ordered at once if it is to run.

        None when it was cancelled, or there is no such agent any more.
        """

        def change(tx: Transaction) -> Deploy | None:
            found = self._ends.find_going_on(tx, deploy)
            if found is None:
                return None
            known, agent = found
            previous = tx.deploys.get(agent.deploy) if agent.deploy is not None else None
            takes_over = self._gate.can_take_over(agent) and is_live_change(previous, deploy)
            operation_id = None
            if agent.wanted == "running" and not takes_over:
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
            await a_few_times(lambda: self._configs.settle(deploy.agent, deploy.id, deploy.commit))
        except NotHealthy as problem:
            await self._put_back(deploy, str(problem))
        except HiveError as error:
            await self._put_back(deploy, f"it was healthy, but not recorded: {error.message}")
        except Exception:
            log.exception("deploy %d: unexpected error", deploy.id)
            await self._put_back(deploy, "unexpected error; see the log of the service")
        else:
            await insist(lambda: self._store.write(self._done(deploy), essential=True))
        await self._ends.keep(deploy.agent_id)

    def _done(self, deploy: Deploy) -> Callable[[Transaction], None]:
        def change(tx: Transaction) -> None:
            agent = tx.agents.get(deploy.agent_id)
            if agent is not None and agent.declared.commit == deploy.commit:
                taken = replace(agent.declared, taken=agent.declared.offered)
                tx.agents.save(replace(agent, declared=taken))
            if agent is not None:
                outdate(tx, self._clock, agent, deploy.commit)
            self._ends.record(tx, replace(deploy, state="done"))

        return change

    async def _put_back(self, deploy: Deploy, why: str) -> None:
        """What ran before is started again; without anything before, nothing."""

        def change(tx: Transaction) -> Deploy:
            agent = tx.agents.get(deploy.agent_id)
            previous = tx.deploys.get(deploy.previous) if deploy.previous is not None else None
            failed = replace(deploy, state="failed", error=why)
            if agent is None:
                return self._ends.record(tx, failed)
            if previous is None:
                tx.agents.save(replace(agent, bundle=None, deploy=None, quarantined=None))
                tx.events.append("agent", agent.name, {"deploy": None}, self._clock.now())
                return self._ends.record(tx, failed)
            self._run_from(tx, agent, previous)
            if agent.state != "present":  # it may be revived
                return self._ends.record(tx, failed)
            was_started = deploy.operation_id is not None or not is_live_change(previous, deploy)
            if was_started and agent.wanted == "running":
                self._order_restart(tx, agent)
            return self._ends.record(tx, replace(failed, state="rolled_back"))

        over = await insist(lambda: self._store.write(change, essential=True))
        await self._ends.mark_failed(over)

    def _run_from(self, tx: Transaction, agent: Agent, deploy: Deploy) -> None:
        """What another configuration did does not count against this one."""
        assert deploy.built is not None
        changed = replace(
            agent,
            bundle=deploy.built.bundle,
            deploy=deploy.id,
            settings=deploy.built.settings,
            settings_version=agent.settings_version + 1,
            quarantined=None,
            crashes_from=tx.events.last(),
        )
        tx.agents.save(changed)
        data = {"settings": changed.settings_version, "deploy": deploy.id}
        tx.events.append("agent", agent.name, data, self._clock.now())

    def _order_restart(self, tx: Transaction, agent: Agent) -> int:
        operation = tx.operations.add("restart", agent.id, agent.name, "deploy", self._clock.now())
        tx.events.append("agent", agent.name, {"operation": "restart"}, self._clock.now())
        return operation.id


def is_live_change(previous: Deploy | None, deploy: Deploy) -> bool:
    """Whether a harness can take it over as it runs: the same system, the same limits."""
    if previous is None or previous.built is None or deploy.built is None:
        return False
    before, after = previous.built, deploy.built
    return (before.system, before.settings.limits) == (after.system, after.settings.limits)
