"""Requests that wait for the operator: each is decided once, and acts in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hyperhive.hive.agents import Agents
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_orders import order_deploy, running_commit
from hyperhive.hive.mail import Sender, notify, once
from hyperhive.hive.policy import require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import (
    OPEN_APPROVALS,
    SYSTEM_ID,
    Agent,
    Approval,
    ApprovalKind,
    ApprovalState,
)
from hyperhive.protocol.errors import AlreadyResolved, Conflict, Forbidden, InvalidField, NotFound
from hyperhive.protocol.model import MANAGER, OPERATOR, SYSTEM
from hyperhive.protocol.verbs import RequestDestroy, RequestSpawn


class Approvals:
    """Spawning and destroying, as the manager asks for it and the operator decides."""

    def __init__(self, store: Store, clock: Clock, agents: Agents) -> None:
        self._store = store
        self._clock = clock
        self._agents = agents

    async def request_spawn(self, requester: Sender, request: RequestSpawn) -> dict[str, Any]:
        """Ask for a new agent; returns {id} of the approval. Raises Conflict for a taken name."""

        def act(tx: Transaction) -> Approval:
            self._agents.check_free(tx, request.name)
            return self._add(tx, "spawn", requester, request.name, None, request.description, {})

        return await self._request(requester, request, request.key, act)

    async def request_destroy(self, requester: Sender, request: RequestDestroy) -> dict[str, Any]:
        """Ask for an agent's end; returns {id} of the approval."""

        def act(tx: Transaction) -> Approval:
            agent = tx.agents.by_name(request.agent)
            if agent is None or agent.state != "present":
                raise Forbidden(f"there is no agent {request.agent!r}")
            if agent.name == MANAGER:
                raise InvalidField("agent", "the manager cannot be destroyed")
            binding = {"purge": request.purge}
            return self._add(
                tx, "destroy", requester, agent.name, agent.id, request.reason, binding
            )

        return await self._request(requester, request, request.key, act)

    async def _request(
        self,
        requester: Sender,
        request: object,
        key: str,
        act: Callable[[Transaction], Approval],
    ) -> dict[str, Any]:
        def change(tx: Transaction) -> dict[str, Any]:
            if requester.kind == "agent":
                require(tx.agents.get(requester.id), "manage")
            return once(tx, self._clock, requester.id, key, request, lambda: {"id": act(tx).id})

        return await self._store.write(change)

    def propose(
        self, tx: Transaction, agent: Agent, commit: str, base: str, description: str
    ) -> Approval:
        """The host's own request to run another commit in place of `base`; an older one is void."""
        self.supersede(tx, agent)
        binding = {"commit": commit, "base": base}
        approval = tx.approvals.add(
            *("apply_commit", SYSTEM_ID, SYSTEM, agent.name, agent.id, description, binding),
            self._clock.now(),
        )
        _log(tx, self._clock, approval)
        return approval

    def supersede(self, tx: Transaction, agent: Agent) -> None:
        """What was proposed for it is void."""
        for older in tx.approvals.open(agent=agent.name):
            if older.kind == "apply_commit":
                void = replace(older, state="superseded", resolved_at=self._clock.now())
                tx.approvals.save(void)
                _log(tx, self._clock, void)
                self._tell(tx, void, "superseded")

    def _add(
        self,
        tx: Transaction,
        kind: ApprovalKind,
        requester: Sender,
        agent: str,
        agent_id: int | None,
        description: str,
        binding: dict[str, Any],
    ) -> Approval:
        if any(a.kind == kind for a in tx.approvals.open(agent=agent)):
            raise Conflict(f"a request to {kind} {agent} waits for the operator already")
        now = self._clock.now()
        approval = tx.approvals.add(
            kind, requester.id, requester.name, agent, agent_id, description, binding, now
        )
        _log(tx, self._clock, approval)
        return approval

    # --- decisions ---

    async def approve(self, approval_id: int, note: str = "") -> Approval:
        """Decide and act at once: the approval is used up in the transaction that acts on it.

        Raises NotFound; AlreadyResolved; Conflict when what was shown is no longer so (the name
        was taken meanwhile, or the agent replaced).
        """

        def change(tx: Transaction) -> Approval:
            approval = self._pending(tx, approval_id)
            if approval.kind == "spawn":
                agent = self._agents.create_spawned(tx, approval)
            elif approval.kind == "apply_commit":
                agent = self._still_there(tx, approval)
                self._order_deploy(tx, agent, approval)
            else:
                agent = self._still_there(tx, approval)
                self._agents.order_destroy(
                    tx, agent, OPERATOR, bool(approval.binding.get("purge")), approval.id
                )
            decided = replace(
                approval,
                state="running",
                agent_id=agent.id,
                note=note,
                resolved_by=OPERATOR,
                resolved_at=self._clock.now(),
            )
            return self._decide(tx, decided, "approved")

        return await self._store.write(change)

    def _order_deploy(self, tx: Transaction, agent: Agent, approval: Approval) -> None:
        """Raises Conflict when something else runs by now than what it was shown against."""
        if running_commit(tx, agent) != approval.binding["base"]:
            raise Conflict(f"{agent.name} has changed since this was proposed; deny it")
        commit = approval.binding["commit"]
        order_deploy(tx, self._clock, agent, "change", commit, OPERATOR, approval.id)

    def _still_there(self, tx: Transaction, approval: Approval) -> Agent:
        agent = tx.agents.get(approval.agent_id or 0)
        if agent is None or agent.state != "present":
            raise Conflict(f"{approval.agent} is not the agent any more that this was asked for")
        return agent

    async def deny(self, approval_id: int, reason: str = "") -> Approval:
        """Refuse; the reason reaches the requester. Raises NotFound, AlreadyResolved."""

        def change(tx: Transaction) -> Approval:
            approval = self._pending(tx, approval_id)
            decided = replace(
                approval,
                state="denied",
                note=reason,
                resolved_by=OPERATOR,
                resolved_at=self._clock.now(),
            )
            return self._decide(tx, decided, "denied")

        return await self._store.write(change)

    def _pending(self, tx: Transaction, approval_id: int) -> Approval:
        approval = tx.approvals.get(approval_id)
        if approval is None:
            raise NotFound(f"there is no approval {approval_id}")
        if approval.state not in OPEN_APPROVALS:
            raise AlreadyResolved(f"approval {approval_id} is {approval.state}", approval.state)
        return approval

    def _decide(self, tx: Transaction, approval: Approval, action: str) -> Approval:
        tx.approvals.save(approval)
        _log(tx, self._clock, approval)
        subject = f"{approval.kind} {approval.agent} (approval {approval.id})"
        tx.audit.append(OPERATOR, f"approval.{action}", subject, approval.note, self._clock.now())
        self._tell(tx, approval, action)
        return approval

    def _tell(self, tx: Transaction, approval: Approval, status: str) -> None:
        if requester := tx.agents.get(approval.requester_id):
            told = {
                "id": approval.id,
                "agent": approval.agent,
                "kind": approval.kind,
                "status": status,
                "note": approval.note,
                "sha": None,
                "tag": None,
            }
            notify(tx, self._clock, requester, "approval_resolved", told)

    # --- what follows from elsewhere ---

    def finish(
        self, tx: Transaction, approval_id: int, error: str = "", state: ApprovalState | None = None
    ) -> None:
        """What the approval started is over; without `state` it failed if there is an error."""
        approval = tx.approvals.get(approval_id)
        if approval is not None and approval.state == "running":
            ended = state or ("failed" if error else "done")
            over = replace(approval, state=ended, note=error or approval.note)
            tx.approvals.save(over)
            _log(tx, self._clock, over)

    def withdraw_for(self, tx: Transaction, agent: Agent) -> None:
        """The agent is being removed: its own requests and those about it are void."""
        mine = tx.approvals.open(requester_id=agent.id)
        about = [a for a in tx.approvals.open() if a.agent_id == agent.id and a not in mine]
        for approval in (*mine, *about):
            void = replace(
                approval,
                state="expired",
                note=f"{agent.name} was removed",
                resolved_at=self._clock.now(),
            )
            tx.approvals.save(void)
            _log(tx, self._clock, void)
            self._tell(tx, void, "expired")


def _log(tx: Transaction, clock: Clock, approval: Approval) -> None:
    data = {
        "id": approval.id,
        "kind": approval.kind,
        "state": approval.state,
        "agent": approval.agent,
        "requester": approval.requester,
        "note": approval.note,
    }
    tx.events.append("approval", approval.agent, data, clock.now())
