"""Has every declaration become a commit, and what is new or changed be deployed or asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from hyperhive.hive.approval_steps import propose, withdraw_declared
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.deploy_orders import order_deploy, running_commit
from hyperhive.hive.deploy_rows import Declared
from hyperhive.hive.deploy_views import is_stale
from hyperhive.hive.mail import SYSTEM_SENDER, notify_manager
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import SYSTEM_ID, Agent, Event
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.model import SYSTEM

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
TOLD_KEY = "needs_update_told"
"""Row of `meta`: the host of which the manager was told what is out of date."""


class Configurations:
    """Owns the way from a declaration to a commit; `run` is its task."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        configs: Configs,
        builds: Builds,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._configs = configs
        self._builds = builds
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled: at start, and whenever an agent appears or a deploy is over."""
        stop = self._store.subscribe(self._see)
        try:
            while True:
                self._bell.clear()
                pause = None if await self._look() else RETRY_SECONDS
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

    async def _look(self) -> bool:
        """Whether nothing went wrong."""
        try:
            await self._tell_stale()
            agents = await self._store.read(lambda tx: tx.agents.all())
        except HiveError as error:
            log.warning("configurations: %s; trying again", error.message)
            return False
        well = True
        for agent in agents:
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
        granted = self._policy.declared.get(agent.name, self._policy.spawned)
        digests = granted.digests

        def look(tx: Transaction) -> tuple[bool, str | None]:
            base = running_commit(tx, agent)
            is_new = digests != agent.declared.offered or _is_overtaken(tx, agent, base)
            return is_new and not tx.deploys.open(agent.id), base

        is_due, base = await self._store.read(look)
        if agent.state != "present" or not is_due:
            return  # where a deploy is going on, it is looked at again when that is over
        # Only what the declaration changed: the rest may have been changed with an approval.
        below, before = base, agent.declared.taken
        if base is None and before:  # it began with a module of its own, which is to stay
            below, before = agent.declared.commit, agent.declared.offered
        changes: dict[str, bytes | None] = dict.fromkeys(before.keys() - digests.keys())
        changes |= {p: d for p, d in granted.files.items() if digests[p] != before.get(p)}
        commit = await self._configs.declare(agent.name, changes, below) if changes else base

        def change(tx: Transaction) -> None:
            known = tx.agents.get(agent.id)
            if known is None or known.state != "present" or tx.deploys.open(agent.id):
                return
            if running_commit(tx, known) == base:
                self._offer(tx, known, granted.apply, digests, commit, base, sorted(changes))

        await self._store.write(change)

    def _offer(
        self,
        tx: Transaction,
        agent: Agent,
        apply: Literal["ask", "always"],
        digests: dict[str, str],
        commit: str | None,
        base: str | None,
        names: list[str],
    ) -> None:
        if commit is None or commit == base:  # that is what runs already
            declared = Declared(digests, digests, commit or "")
            withdraw_declared(tx, self._clock, agent)
        else:
            declared = replace(agent.declared, offered=digests, commit=commit)
            if base is None or apply == "always":
                withdraw_declared(tx, self._clock, agent)
                order_deploy(tx, self._clock, agent, "declare", commit, SYSTEM)
            else:
                what = f"declared anew: {', '.join(names)}"
                propose(tx, self._clock, SYSTEM_SENDER, agent, commit, base, what)
        tx.agents.save(replace(agent, declared=declared))

    async def _tell_stale(self) -> None:
        """Once per host: the manager learns whom it may update."""
        host = self._builds.host

        def change(tx: Transaction) -> None:
            if tx.meta.get(TOLD_KEY) == host:
                return
            tx.meta.set(TOLD_KEY, host)
            for agent in tx.agents.all():
                if is_stale(tx, agent, host):
                    told = {"agent": agent.name}
                    notify_manager(tx, self._clock, agent.name, "needs_update", told)

        await self._store.write(change)


def _is_overtaken(tx: Transaction, agent: Agent, base: str | None) -> bool:
    """Whether what the operator is shown is a change of what does not run any more."""
    waiting = [a for a in tx.approvals.open(agent=agent.name) if a.kind == "apply_commit"]
    return any(a.requester_id == SYSTEM_ID and a.binding["base"] != base for a in waiting)
