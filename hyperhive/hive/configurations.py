"""Has every declaration become a commit, and what is new or changed be deployed or asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from hyperhive.hive.approvals import Approvals
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_orders import order_deploy
from hyperhive.hive.deploy_views import is_stale
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Builds, Configs, Store, Transaction
from hyperhive.hive.records import Agent, Event
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.model import SYSTEM

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0


class Configurations:
    """Owns the way from a declaration to a commit; `run` is its task."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        configs: Configs,
        builds: Builds,
        approvals: Approvals,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._configs = configs
        self._builds = builds
        self._approvals = approvals
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled: at start, and whenever an agent appears or a deploy is over."""
        stop = self._store.subscribe(self._see)
        try:
            await self._tell_stale()
            while True:
                self._bell.clear()
                pause = None if await self._look_at_all() else RETRY_SECONDS
                try:
                    async with asyncio.timeout(pause):
                        await self._bell.wait()
                except TimeoutError:
                    pass
        finally:
            stop()

    def _see(self, events: Sequence[Event]) -> None:
        for event in events:
            appeared = event.kind == "agent" and event.data.get("state") == "present"
            over = event.kind == "deploy" and event.data["state"] not in ("queued", "starting")
            if appeared or over:
                self._bell.set()

    async def _look_at_all(self) -> bool:
        """Whether nothing went wrong."""
        well = True
        for agent in await self._store.read(lambda tx: tx.agents.all()):
            if agent.state != "present":
                continue
            try:
                await self._look_at(agent)
            except HiveError as error:
                log.warning("configuration of %s: %s; trying again", agent.name, error.message)
                well = False
            except Exception:
                log.exception("configuration of %s: unexpected error; trying again", agent.name)
                well = False
        return well

    async def _look_at(self, agent: Agent) -> None:
        if await self._store.read(lambda tx: tx.deploys.open(agent.id)):
            return  # it is looked at again when that is over
        granted = self._policy.declared.get(agent.name, self._policy.spawned)
        digests = {path: sha256(data).hexdigest() for path, data in granted.files.items()}
        if digests == agent.declared:
            return
        # Only what the declaration changed: the rest may have been changed with an approval.
        gone: dict[str, bytes | None] = dict.fromkeys(agent.declared.keys() - digests.keys())
        changed = {p: d for p, d in granted.files.items() if digests[p] != agent.declared.get(p)}
        base = await self._configs.head(agent.name)
        commit = await self._configs.declare(agent.name, {**gone, **changed}, base)

        def change(tx: Transaction) -> None:
            known = tx.agents.get(agent.id)
            if known is None or known.state != "present":
                return
            tx.agents.save(replace(known, declared=digests))
            if base is None or granted.apply == "always":
                order_deploy(tx, self._clock, known, "declare", commit, SYSTEM)
            else:
                names = ", ".join(sorted({**gone, **changed}))
                self._approvals.propose(tx, known, commit, base, f"declared anew: {names}")

        await self._store.write(change)

    async def _tell_stale(self) -> None:
        """Once per host: the manager learns whom it may update."""

        def change(tx: Transaction) -> None:
            for agent in tx.agents.all():
                if is_stale(tx, agent, self._builds.host):
                    notify_manager(
                        tx, self._clock, agent.name, "needs_update", {"agent": agent.name}
                    )

        await self._store.write(change)
