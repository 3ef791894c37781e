"""How deploys end: recorded, told, named in git, and what nobody needs any more let go."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from hyperhive.hive import approval_steps
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.deploy_orders import log_deploy
from hyperhive.hive.deploy_rows import OPEN_DEPLOYS, Deploy
from hyperhive.hive.mail import notify, notify_manager
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Agent, ApprovalState
from hyperhive.hive.retry import a_few_times
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.model import MANAGER

log = logging.getLogger(__name__)

TAGS = {"done": "deployed", "failed": "failed", "rolled_back": "failed"}
"""What a deploy's commit is named in its repository once it is over, by state."""
MAX_ERROR = 4_000
MAX_FIRST = 200
"""Characters of an error that are kept and told; the log has all of it."""


class Ends:
    """The rows decide; what follows from them outside is tried a few times, and not awaited."""

    def __init__(self, store: Store, clock: Clock, configs: Configs, builds: Builds) -> None:
        self._store = store
        self._clock = clock
        self._configs = configs
        self._builds = builds

    def record(self, tx: Transaction, deploy: Deploy) -> Deploy:
        """It ended in its state, and whoever waits for it is told."""
        over = replace(deploy, ended_at=self._clock.now(), error=_bounded(deploy.error))
        tx.deploys.save(over)
        log_deploy(tx, self._clock, over)
        if over.approval_id is not None:
            state: ApprovalState = "failed"
            if over.state in ("done", "rolled_back"):
                state = over.state
            approval_steps.finish(tx, self._clock, over.approval_id, over.error, state)
        told = {
            "agent": over.agent,
            "ok": over.state == "done",
            "deploy": over.id,
            "sha": over.commit,
            "tag": f"{TAGS[over.state]}/{over.id}" if over.state in TAGS else None,
            "note": over.error,
        }
        event = "rolled_back" if over.state == "rolled_back" else "rebuilt"
        notify_manager(tx, self._clock, over.agent, event, told)
        approval = tx.approvals.get(over.approval_id) if over.approval_id is not None else None
        requester = tx.agents.get(approval.requester_id) if approval is not None else None
        if requester is not None and requester.name != MANAGER:
            notify(tx, self._clock, requester, event, told)
        return over

    def find_going_on(self, tx: Transaction, deploy: Deploy) -> tuple[Deploy, Agent] | None:
        """As it is in the store, with its agent; None when it is over, or the agent is removed."""
        known, agent = tx.deploys.get(deploy.id), tx.agents.get(deploy.agent_id)
        if known is None or known.state not in OPEN_DEPLOYS:
            return None
        if agent is None or agent.state != "present":
            self.record(tx, replace(known, state="cancelled", error="the agent was removed"))
            return None
        return known, agent

    async def mark_failed(self, deploy: Deploy) -> None:
        """In its repository, for whoever looks there; lost if the service ends before."""
        why = deploy.error
        await self._try(
            lambda: self._configs.mark(deploy.agent, "failed", deploy.id, deploy.commit, why)
        )

    async def keep(self, agent_id: int) -> None:
        """Only what runs and what a rollback needs outlives a garbage collection."""
        name, bundles = await self._store.read(lambda tx: _wanted(tx, agent_id))
        if name:
            await self._try(lambda: self._builds.keep(name, bundles))

    async def recover(self) -> None:
        """At start: a service that ended right after a deploy may not have kept what runs.

        Where another deploy goes on, what that needs is let go of at its end.
        """

        def find(tx: Transaction) -> list[tuple[str, dict[str, str]]]:
            built = [agent.id for agent in tx.agents.all() if agent.deploy is not None]
            return [_wanted(tx, each) for each in built if not tx.deploys.open(each)]

        for name, bundles in await self._store.read(find):
            try:
                if name:
                    await self._builds.keep(name, bundles)
            except HiveError as error:
                log.warning("%s", error.message)

    async def _try(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await a_few_times(act)
        except HiveError as error:
            log.warning("%s", error.message)


def _wanted(tx: Transaction, agent_id: int) -> tuple[str, dict[str, str]]:
    """An agent's name, and its bundles by role; no name where that may be another's by now."""
    agent = tx.agents.get(agent_id)
    if agent is None or agent.state in ("purging", "purged"):
        return "", {}
    running = tx.deploys.get(agent.deploy) if agent.deploy is not None else None
    previous = tx.deploys.get(running.previous) if running and running.previous else None
    rows = {"running": running, "previous": previous}
    return agent.name, {role: row.built.bundle for role, row in rows.items() if row and row.built}


def _bounded(error: str) -> str:
    """Its first line, which may name a limit, and its end, where Nix says what is wrong.

    Whoever wrote it, it can be shown anywhere.
    """
    text = error
    if len(text) > MAX_ERROR:
        first = text.partition("\n")[0][:MAX_FIRST]
        text = f"{first}\n…{text[-MAX_ERROR:]}"
    plain = text.replace("\t", "    ")
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in plain)
