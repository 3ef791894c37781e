"""What follows outside from a proposal that came to nothing: its tag, and what was kept for it."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from hyperhive.hive.config_ports import Builds, Configs, Mark
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import SYSTEM_ID, Agent, Approval, ApprovalState, Event
from hyperhive.hive.retry import a_few_times
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)

RECENT = 100
"""Approvals that are looked through at start, for what an earlier service did not get to."""
_OVER: tuple[ApprovalState, ...] = (
    *("done", "failed", "rolled_back"),
    *("denied", "superseded", "expired", "stale_base"),
)


class ProposalEnds:
    """Follows up on what is over. Repeatable, and nobody waits for it."""

    def __init__(
        self, store: Store, configs: Configs, builds: Builds, spawning: asyncio.Lock
    ) -> None:
        self._store = store
        self._configs = configs
        self._builds = builds
        self._spawning = spawning
        self._over: set[int] = set()

    async def recover(self) -> None:
        """At start."""
        recent = await self._store.read(lambda tx: tx.approvals.recent(RECENT))
        self._over |= {approval.id for approval in recent if approval.state in _OVER}

    def see(self, event: Event) -> None:
        if event.data["state"] in _OVER:
            self._over.add(event.data["id"])

    async def follow_up(self) -> bool:
        """Of the newest alone, since what is to be checked comes first; whether there was one.

        Nothing is being checked now.
        """
        if not self._over:
            return False
        number = max(self._over)
        self._over.remove(number)
        approval, agent, is_last = await self._store.read(partial(_find, number=number))
        if approval is not None and "commit" in approval.binding:
            try:
                await self._settle(approval, agent, is_last)
            except HiveError as error:
                log.warning("approval %d: %s", number, error.message)
        return True

    async def _settle(self, approval: Approval, agent: Agent | None, is_last: bool) -> None:
        name = approval.agent
        if is_last and agent is None:
            await a_few_times(lambda: self._remove(approval))
        if is_last:
            await a_few_times(lambda: self._builds.drop(name))
        if agent is not None and approval.agent_id == agent.id:
            await self._mark(approval)

    async def _remove(self, approval: Approval) -> None:
        """Of an agent that never was, or is no more, unless one is being made at this moment."""
        async with self._spawning:
            find = partial(_find, number=approval.id)
            _, agent, is_last = await self._store.read(find)
            if is_last and agent is None:
                await self._configs.remove(approval.agent)

    async def _mark(self, approval: Approval) -> None:
        """One that was approved has a deploy, whose end names it."""
        word: Mark | None = None
        if approval.state == "denied":
            word = "denied"
        elif approval.state == "failed" and not approval.resolved_by:
            word = "failed"
        if word is not None:
            name, number, commit = approval.agent, approval.id, approval.binding["commit"]
            if approval.requester_id != SYSTEM_ID:  # it may have ended before its turn
                await a_few_times(lambda: self._configs.pin(name, number, commit))
            why = approval.note or "(no reason given)"
            await a_few_times(lambda: self._configs.mark(name, word, number, commit, why))


def _find(tx: Transaction, number: int) -> tuple[Approval | None, Agent | None, bool]:
    """The approval, the agent that has its name now, and whether nothing else is proposed for it.

    What is approved but not built yet counts as proposed.
    """
    approval = tx.approvals.get(number)
    if approval is None:
        return None, None, False
    agent = tx.agents.by_name(approval.agent)
    waiting = any("commit" in a.binding for a in tx.approvals.open(agent=approval.agent))
    building = agent is not None and bool(tx.deploys.open(agent.id))
    return approval, agent, not waiting and not building
