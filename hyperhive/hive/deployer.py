"""Carries out deploys one after the other: evaluate, build, start, and back if it does not come up.

Every step is recorded before the next; a service that ends in the middle goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs, Mark
from hyperhive.hive.deploy_ends import Ends
from hyperhive.hive.deploy_orders import log_deploy
from hyperhive.hive.deploy_rows import Deploy, DeployState
from hyperhive.hive.deploys import Deploys
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Event
from hyperhive.hive.retry import a_few_times, insist
from hyperhive.hive.trial import Trial
from hyperhive.hive.unless import unless
from hyperhive.protocol.errors import Busy, Conflict, HiveError, StorageError, StorageFull

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
CHANGED_HOST = (
    "this host has another hyperhive or Nixpkgs by now than when this was approved, and would build"
    " something else: propose it again"
)


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
        trial: Trial,
        ends: Ends,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._configs = configs
        self._builds = builds
        self._deploys = deploys
        self._trial = trial
        self._ends = ends
        self._bell = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._current: Deploy | None = None
        self._passed_over: set[int] = set()
        """Deploys that something unexpected happened to: others come first."""

    async def run(self) -> None:
        """Until cancelled."""
        stop = self._store.subscribe(self._see)
        try:
            await insist(self._ends.recover)
            while True:
                self._bell.clear()
                try:
                    if not await self._carry_out_next():
                        await self._bell.wait()
                except HiveError as error:  # the store's: what was done is not recorded yet
                    log.warning("%s; trying again", error.message)
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception:
                    # A fault in one deploy must not end the swarm.
                    log.exception("unexpected error; trying again")
                    if self._current is not None:
                        self._passed_over.add(self._current.id)
                    await asyncio.sleep(RETRY_SECONDS)
                finally:
                    self._current = None
        finally:
            stop()

    def _see(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind == "deploy":
                self._bell.set()
            if self._current is not None and _ends(event, self._current):
                self._cancelled.set()

    async def _carry_out_next(self) -> bool:
        """Whether there was one."""
        queue = await self._store.read(self._deploys.queue)
        if queue and all(deploy.id in self._passed_over for deploy in queue):
            self._passed_over.clear()
        for deploy in queue:
            if deploy.id not in self._passed_over:
                self._cancelled.clear()
                self._current = deploy
                await self._carry_out(deploy)
                return True
        return False

    async def _carry_out(self, deploy: Deploy) -> None:
        ready = deploy if deploy.state == "starting" else await self._prepare(deploy)
        if ready is not None:
            await self._trial.carry_through(ready)

    # --- up to the bundle ---

    async def _prepare(self, deploy: Deploy) -> Deploy | None:
        """Evaluated, built and in place; None when that failed or was cancelled."""
        try:
            is_approved = deploy.kind == "change" and deploy.approval_id is not None
            if is_approved:
                await self._mark(deploy, "approved")
                self._check_as_shown(deploy)
            # One that an earlier service had evaluated may be of another host than this.
            if deploy.built is None or deploy.built.host != self._builds.host:
                if not await self._step(deploy, "evaluating"):
                    return None
                built = await unless(
                    self._cancelled,
                    self._builds.evaluate(deploy.id, deploy.agent, deploy.commit),
                )
                if built is None:
                    return None
                self._policy.check_settings(built.settings)
                deploy = replace(deploy, built=built)
            assert deploy.built is not None
            if not await self._step(deploy, "building"):
                return None
            if is_approved:
                await self._mark(deploy, "building")
            bundle = await unless(
                self._cancelled, self._builds.build(deploy.id, deploy.agent, deploy.built)
            )
            if bundle is None:
                return None
            whole = replace(deploy, built=replace(deploy.built, bundle=bundle))
            return await self._trial.put_in_place(whole)
        except (Busy, StorageError, StorageFull):
            raise  # the store's, which is no fault of this deploy
        except HiveError as error:
            await self._fail(deploy, error.message)
        except Exception:
            log.exception("deploy %d: unexpected error", deploy.id)
            await self._fail(deploy, "unexpected error; see the log of the service")
        return None

    def _check_as_shown(self, deploy: Deploy) -> None:
        """One that was approved may have waited for a host that is another, or has other rules."""
        if deploy.built is not None:
            if deploy.built.host != self._builds.host:
                raise Conflict(CHANGED_HOST)
            self._policy.check_settings(deploy.built.settings)

    async def _mark(self, deploy: Deploy, word: Mark) -> None:
        of = (deploy.agent, word, deploy.id, deploy.commit)
        await a_few_times(lambda: self._configs.mark(*of))

    async def _step(self, deploy: Deploy, state: DeployState) -> bool:
        """Record how far it is; False when it was cancelled, or the agent is removed."""

        def change(tx: Transaction) -> bool:
            found = self._ends.find_going_on(tx, deploy)
            if found is None:
                return False
            begun = found[0].begun_at or self._clock.now()
            moved = replace(deploy, state=state, begun_at=begun)
            tx.deploys.save(moved)
            log_deploy(tx, self._clock, moved)
            return True

        return await self._store.write(change)

    async def _fail(self, deploy: Deploy, why: str) -> None:
        def change(tx: Transaction) -> Deploy | None:
            found = self._ends.find_going_on(tx, deploy)
            if found is None:
                return None
            over = replace(deploy, begun_at=found[0].begun_at, state="failed", error=why)
            return self._ends.record(tx, over)

        if over := await self._store.write(change, essential=True):
            await self._ends.mark_failed(over)
            await self._ends.keep(over.agent_id)


def _ends(event: Event, current: Deploy) -> bool:
    """Whether nobody waits any more for what is evaluated or built now."""
    if event.kind == "deploy":
        return bool(event.data["deploy"] == current.id and event.data["state"] == "cancelled")
    is_removed = event.kind == "agent" and event.data.get("state") in ("tombstone", "purging")
    return is_removed and event.agent == current.agent
