"""Requests that wait for the operator: each is decided once, and acts in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hyperhive.hive import approval_steps
from hyperhive.hive.agents import Agents
from hyperhive.hive.approval_digest import binding_digest
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_orders import order_deploy, running_commit
from hyperhive.hive.deploy_rows import Built
from hyperhive.hive.mail import Sender, once
from hyperhive.hive.policy import Policy, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import OPEN_APPROVALS, Agent, Approval
from hyperhive.protocol.bundle import parse_settings
from hyperhive.protocol.errors import AlreadyResolved, Conflict, Forbidden, InvalidField, NotFound
from hyperhive.protocol.model import MANAGER, OPERATOR
from hyperhive.protocol.verbs import RequestDestroy, RequestSpawn


class Approvals:
    """What agents ask for and the operator decides; proposals of commits enter elsewhere."""

    def __init__(self, store: Store, clock: Clock, policy: Policy, agents: Agents) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._agents = agents

    async def request_spawn(self, requester: Sender, request: RequestSpawn) -> dict[str, Any]:
        """Ask for a new agent of the defaults; returns {id} of the approval.

        Raises Conflict for a taken name.
        """

        def act(tx: Transaction) -> Approval:
            self._agents.check_free(tx, request.name)
            of = (request.name, None, request.description)
            return approval_steps.request(tx, self._clock, "spawn", requester, *of, {})

        return await self._request(requester, request, request.key, act)

    async def request_destroy(self, requester: Sender, request: RequestDestroy) -> dict[str, Any]:
        """Ask for an agent's end; returns {id} of the approval."""

        def act(tx: Transaction) -> Approval:
            agent = tx.agents.by_name(request.agent)
            if agent is None or agent.state != "present":
                raise Forbidden(f"there is no agent {request.agent!r}")
            if agent.name == MANAGER:
                raise InvalidField("agent", "the manager cannot be destroyed")
            of = (agent.name, agent.id, request.reason, {"purge": request.purge})
            return approval_steps.request(tx, self._clock, "destroy", requester, *of)

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

    # --- decisions ---

    async def approve(self, approval_id: int, note: str = "", seen: str | None = None) -> Approval:
        """Decide and act at once: the approval is used up in the transaction that acts on it.

        `seen` is the `binding_digest` of what was looked at. Raises NotFound; AlreadyResolved;
        Conflict when that is no longer so (it is not checked yet, or was checked anew, the name was
        taken meanwhile, the agent replaced or changed, or another deploy of it goes on).
        """

        def change(tx: Transaction) -> Approval:
            approval = self._open(tx, approval_id)
            if approval.state == "checking":
                raise Conflict(f"approval {approval_id} is being checked; look at it when it is")
            if seen is not None and seen != binding_digest(approval):
                raise Conflict(f"approval {approval_id} has changed since; look at it again")
            agent = self._act(tx, approval)
            decided = replace(approval, state="running", agent_id=agent.id)
            return self._decide(tx, decided, "approved", note)

        return await self._store.write(change)

    def _act(self, tx: Transaction, approval: Approval) -> Agent:
        if approval.kind == "spawn" and "commit" in approval.binding:
            declared = self._policy.spawned_with(approval.binding["commit"])
            of = (approval.agent, approval.description, declared)
            agent = self._agents.create_with(tx, *of)
            self._order_deploy(tx, agent, approval)
            return agent
        if approval.kind == "spawn":
            return self._agents.create_spawned(tx, approval)
        agent = self._still_there(tx, approval)
        if approval.kind == "destroy":
            purge = bool(approval.binding.get("purge"))
            self._agents.order_destroy(tx, agent, OPERATOR, purge, approval.id)
        else:
            self._order_deploy(tx, agent, approval)
        return agent

    def _order_deploy(self, tx: Transaction, agent: Agent, approval: Approval) -> None:
        """Of exactly what was shown. Raises Conflict."""
        bound = approval.binding
        if running_commit(tx, agent) != bound["base"]:
            raise Conflict(f"{agent.name} has changed since this was proposed; deny it")
        settings = parse_settings(bound["settings"])
        built = Built(bound["host"], bound["drv"], bound["system"], settings)
        of = (bound["commit"], OPERATOR, approval.id, built)
        order_deploy(tx, self._clock, agent, "change", *of)

    def _still_there(self, tx: Transaction, approval: Approval) -> Agent:
        agent = tx.agents.get(approval.agent_id or 0)
        if agent is None or agent.state != "present":
            raise Conflict(f"{approval.agent} is not the agent any more that this was asked for")
        return agent

    async def deny(self, approval_id: int, reason: str = "") -> Approval:
        """Refuse; the reason reaches the requester. Raises NotFound, AlreadyResolved."""

        def change(tx: Transaction) -> Approval:
            approval = self._open(tx, approval_id)
            return self._decide(tx, replace(approval, state="denied"), "denied", reason)

        return await self._store.write(change)

    def _open(self, tx: Transaction, approval_id: int) -> Approval:
        approval = tx.approvals.get(approval_id)
        if approval is None:
            raise NotFound(f"there is no approval {approval_id}")
        if approval.state not in OPEN_APPROVALS:
            why = "there is nothing left to decide"
            if approval.state == "superseded":
                why = approval.note
            text = f"approval {approval_id} is {approval.state.replace('_', ' ')}: {why}"
            raise AlreadyResolved(text, approval.state)
        return approval

    def _decide(self, tx: Transaction, approval: Approval, action: str, note: str) -> Approval:
        now = self._clock.now()
        decided = replace(approval, note=note, resolved_by=OPERATOR, resolved_at=now)
        tx.approvals.save(decided)
        approval_steps.log_approval(tx, self._clock, decided)
        subject = f"{decided.kind} {decided.agent} (approval {decided.id})"
        tx.audit.append(OPERATOR, f"approval.{action}", subject, decided.note, now)
        status = "approved" if decided.state == "running" else decided.state
        approval_steps.tell(tx, self._clock, decided, status)
        return decided
