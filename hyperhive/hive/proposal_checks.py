"""Checks what is proposed, one after the other: named in git, evaluated, and only then shown.

Every step may be repeated, so a service that ends in the middle goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from hyperhive.hive.approval_steps import close, log_approval, stale_note
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.deploy_orders import running_commit, running_deploy
from hyperhive.hive.deploy_rows import Checked
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.proposal_ends import ProposalEnds
from hyperhive.hive.records import SYSTEM_ID, Approval, ApprovalState, Event
from hyperhive.hive.retry import insist
from hyperhive.hive.unless import unless
from hyperhive.protocol.bundle import parse_settings, settings_json
from hyperhive.protocol.errors import Busy, HiveError, InvalidField, StorageError, StorageFull

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0


class ProposalChecks:
    """Owns approvals while they are `checking`; `run` is its task."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        configs: Configs,
        builds: Builds,
        spawning: asyncio.Lock,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._configs = configs
        self._builds = builds
        self._ends = ProposalEnds(store, configs, builds, spawning)
        self._bell = asyncio.Event()
        self._gone = asyncio.Event()
        self._current: Approval | None = None

    async def run(self) -> None:
        """Until cancelled."""
        stop = self._store.subscribe(self._see)
        try:
            await insist(lambda: self._store.write(self._begin_anew, essential=True))
            await insist(self._ends.recover)
            while True:
                self._bell.clear()
                try:
                    if not await self._check_next() and not await self._ends.follow_up():
                        await self._bell.wait()
                except HiveError as error:  # the store's: it is looked at again
                    log.warning("%s; trying again", error.message)
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception:
                    # A fault in what follows from one proposal must not end the swarm.
                    log.exception("unexpected error; trying again")
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            stop()

    def _see(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind == "deploy":
                self._bell.set()
            if event.kind == "approval":
                self._bell.set()
                self._ends.see(event)
                current = self._current
                if current and event.data["id"] == current.id and event.data["state"] != "checking":
                    self._gone.set()

    def _begin_anew(self, tx: Transaction) -> None:
        """What was checked against another host, or by other rules, may come to something else."""
        for approval in tx.approvals.open():
            is_checked = approval.state == "pending" and "commit" in approval.binding
            if is_checked and not self._is_as_checked(approval):
                again = replace(approval, state="checking")
                tx.approvals.save(again)
                log_approval(tx, self._clock, again)

    def _is_as_checked(self, approval: Approval) -> bool:
        if approval.binding.get("host") != self._builds.host:
            return False
        try:
            self._policy.check_settings(parse_settings(approval.binding["settings"]))
        except InvalidField:
            return False
        return True

    async def _check_next(self) -> bool:
        """Whether there was one."""
        approval = await self._store.read(_next)
        if approval is None:
            return False
        self._gone.clear()
        self._current = approval
        try:
            await self._check(approval)
        finally:
            self._current = None
        return True

    async def _check(self, approval: Approval) -> None:
        try:
            await self._check_commit(approval)
        except (Busy, StorageError, StorageFull):
            raise
        except HiveError as error:
            await self._close(approval, "failed", error.message)
        except Exception:
            log.exception("approval %d: unexpected error", approval.id)
            await self._close(approval, "failed", "unexpected error; see the log of the service")

    async def _check_commit(self, approval: Approval) -> None:
        name, commit = approval.agent, approval.binding["commit"]
        if _is_of_the_host(approval):
            await self._configs.mark(name, "proposal", approval.id, commit)
            tree = await self._configs.tree(name, commit)
        else:
            tree = await self._configs.pin(name, approval.id, commit)
        base = approval.binding["base"]
        if base is not None and not await self._configs.contains(name, commit, base):
            await self._close(approval, "stale_base", stale_note(name, base))
            return
        running = await self._store.read(lambda tx: _running_system(tx, approval))
        found = await unless(self._gone, self._builds.check(approval.id, name, commit, running))
        if found is not None:
            self._policy.check_settings(found.built.settings)
            await self._store.write(self._show(approval, tree, found))

    def _show(self, approval: Approval, tree: str, found: Checked) -> Callable[[Transaction], None]:
        def change(tx: Transaction) -> None:
            known = tx.approvals.get(approval.id)
            if known is None or known.state != "checking":
                return
            agent = tx.agents.get(known.agent_id) if known.agent_id is not None else None
            base = running_commit(tx, agent) if agent is not None else None
            # What the host proposes is proposed anew by itself, as long as it is open.
            if base != known.binding["base"] and known.requester_id != SYSTEM_ID:
                close(tx, self._clock, known, "stale_base", stale_note(known.agent, base))
                return
            shown = replace(known, state="pending", binding=_binding(known, tree, found))
            tx.approvals.save(shown)
            log_approval(tx, self._clock, shown)

        return change

    async def _close(self, approval: Approval, state: ApprovalState, note: str) -> None:
        def change(tx: Transaction) -> None:
            known = tx.approvals.get(approval.id)
            if known is not None and known.state == "checking":
                close(tx, self._clock, known, state, note)

        await self._store.write(change, essential=True)


def _next(tx: Transaction) -> Approval | None:
    """The host's own first, so that no agent holds them up.

    While what was approved for an agent is not built yet, what it comes to has to be kept.
    """
    building = {d.agent_id for d in tx.deploys.open() if d.approval_id is not None}
    checking = [a for a in tx.approvals.open() if a.state == "checking"]
    ready = [a for a in checking if a.agent_id not in building]
    return min(ready, key=lambda a: (a.requester_id != SYSTEM_ID, a.id), default=None)


def _is_of_the_host(approval: Approval) -> bool:
    """Whether the commit is one that the host itself made."""
    return approval.requester_id == SYSTEM_ID or approval.kind == "spawn"


def _running_system(tx: Transaction, approval: Approval) -> str | None:
    agent = tx.agents.get(approval.agent_id) if approval.agent_id is not None else None
    current = running_deploy(tx, agent) if agent else None
    return current.built.system if current and current.built else None


def _binding(approval: Approval, tree: str, found: Checked) -> dict[str, Any]:
    built = found.built
    return {
        **approval.binding,
        "tree": tree,
        "host": built.host,
        "drv": built.drv,
        "system": built.system,
        "settings": settings_json(built.settings),
        "warnings": list(found.warnings),
        "closure": asdict(found.closure) if found.closure else None,
    }
