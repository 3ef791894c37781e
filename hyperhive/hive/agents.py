"""Which agents there are and what is wanted of them; the reconciler makes it so."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_rows import Declared
from hyperhive.hive.mail import once
from hyperhive.hive.policy import AgentPolicy, Policy, as_declared
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent, Approval, Operation, OperationKind
from hyperhive.protocol.errors import Conflict, Forbidden, InvalidField, NotFound
from hyperhive.protocol.model import MANAGER, OPERATOR
from hyperhive.protocol.verbs import RequestSpawn

Push = Literal["cancel", "new_session"]

_TAKEN_BY = {
    "tombstone": "a destroyed agent; revive it, or purge it to use the name again",
    "purging": "an agent that is being purged; it is free when that is done",
}


class Agents:
    """Orders about agents: each is a row, written before anything is done."""

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    # --- what exists ---

    def check_free(self, tx: Transaction, name: str) -> None:
        """Raises Conflict when the name cannot be given to a new agent."""
        if name == MANAGER:
            raise InvalidField("name", "`manager` is the manager's")
        if agent := tx.agents.by_name(name):
            raise Conflict(f"{name!r} is the name of {_TAKEN_BY.get(agent.state, 'an agent')}")

    def create_spawned(self, tx: Transaction, approval: Approval) -> Agent:
        """The agent of an approved request, with the order to start it."""
        self.check_free(tx, approval.agent)
        policy = self._policy.spawned
        agent = self.create(
            tx, approval.agent, policy, "spawned", approval.description or policy.description
        )
        tx.operations.add(
            "spawn", agent.id, agent.name, OPERATOR, self._clock.now(), approval_id=approval.id
        )
        return agent

    def create_with(
        self, tx: Transaction, name: str, description: str, declared: Declared
    ) -> Agent:
        """One that has a configuration of its own from the start, which is still to be deployed."""
        self.check_free(tx, name)
        policy = self._policy.spawned
        made = self.create(tx, name, policy, "spawned", description or policy.description)
        agent = replace(made, declared=declared)
        tx.agents.save(agent)
        tx.operations.add("spawn", agent.id, name, OPERATOR, self._clock.now())
        self._audit(tx, OPERATOR, "agent.spawn", name)
        return agent

    async def spawn(self, name: str, description: str = "", key: str = "") -> Agent:
        """The operator's direct way; with a `key` a repeat gives the agent of the first time."""

        def change(tx: Transaction) -> Agent:
            if not key:
                return self._spawn(tx, name, description)
            request = RequestSpawn(name=name, description=description, key=key)
            agent_id = once(
                tx,
                self._clock,
                OPERATOR_ID,
                key,
                request,
                lambda: self._spawn(tx, name, description).id,
            )
            if agent := tx.agents.get(agent_id):
                return agent
            raise NotFound(f"the agent {name!r} made with this key is gone")

        return await self._store.write(change)

    def _spawn(self, tx: Transaction, name: str, description: str) -> Agent:
        self.check_free(tx, name)
        agent = self.create(tx, name, self._policy.spawned, "spawned", description)
        tx.operations.add("spawn", agent.id, agent.name, OPERATOR, self._clock.now())
        self._audit(tx, OPERATOR, "agent.spawn", name)
        return agent

    def create(
        self,
        tx: Transaction,
        name: str,
        policy: AgentPolicy,
        origin: Literal["declared", "spawned"],
        description: str,
    ) -> Agent:
        """A row alone; nothing is ordered."""
        agent = tx.agents.add(
            name,
            policy.role,
            origin,
            policy.capabilities,
            policy.settings,
            policy.budget,
            "running" if policy.auto_start else "stopped",
            description,
            self._clock.now(),
        )
        self.log(tx, agent, {"state": "present"})
        return agent

    # --- orders ---

    async def start(self, name: str, actor: str = OPERATOR) -> Operation:
        """Want it running; also lifts a quarantine and a hold, since somebody has looked."""
        return await self._order(name, actor, "start")

    async def kill(self, name: str, actor: str = OPERATOR) -> Operation:
        """Want it stopped."""
        return await self._order(name, actor, "stop")

    async def restart(self, name: str, actor: str = OPERATOR) -> Operation:
        """Stop the run of now and want it running, as after `start`."""
        return await self._order(name, actor, "restart")

    async def revive(self, name: str) -> Operation:
        """Bring a destroyed agent back as it was: files, history, and the mail it had not read."""

        def change(tx: Transaction) -> Operation:
            agent = tx.agents.by_name(name)
            if agent is None:
                raise NotFound(f"there is no agent {name!r}")
            if agent.state != "tombstone":
                state = "being purged" if agent.state == "purging" else "not destroyed"
                raise Conflict(f"{name} is {state}")
            back = replace(_released(tx, agent), state="present", retired_by=None)
            back = replace(back, declared=agent.declared.anew())
            if name in self._policy.declared:
                back = as_declared(back, self._policy.declared[name], built=self._policy.built)
            tx.agents.save(back)
            self.log(tx, back, {"state": "present"})
            self._audit(tx, OPERATOR, "agent.revive", name)
            return tx.operations.add("spawn", agent.id, name, OPERATOR, self._clock.now())

        return await self._store.write(change)

    async def _order(self, name: str, actor: str, kind: OperationKind) -> Operation:
        def change(tx: Transaction) -> Operation:
            agent = self.find(tx, name, actor)
            if actor != OPERATOR and agent.name == actor:
                raise Forbidden("an agent cannot start or stop itself")
            if kind != "stop" and self._policy.built and agent.bundle is None:
                raise Conflict(
                    f"nothing was built for {name} that could be started;"
                    f" `hyperhive deploys {name}` says why"
                )
            if kind == "stop":
                agent = replace(agent, wanted="stopped")
            else:
                agent = _released(tx, agent)
            tx.agents.save(agent)
            operation = tx.operations.add(kind, agent.id, agent.name, actor, self._clock.now())
            self.log(tx, agent, {"wanted": agent.wanted, "operation": kind})
            self._audit(tx, actor, f"agent.{kind}", name)
            return operation

        return await self._store.write(change, essential=True)

    async def destroy(self, name: str, purge: bool) -> Operation:
        """The operator's direct way: stop and put aside, or with `purge` wipe for good."""

        def change(tx: Transaction) -> Operation:
            agent = tx.agents.by_name(name)
            if agent is None:
                raise NotFound(f"there is no agent {name!r}")
            if agent.name == MANAGER:
                raise InvalidField("agent", "the manager cannot be destroyed")
            if agent.state == "purging":
                return self._purge_again(tx, agent)
            if agent.state == "tombstone" and not purge:
                raise Conflict(f"{name} is destroyed already; purge it to remove its files")
            return self.order_destroy(tx, agent, OPERATOR, purge, None)

        return await self._store.write(change, essential=True)

    def _purge_again(self, tx: Transaction, agent: Agent) -> Operation:
        """Try at once what failed; it would be tried again soon anyway."""
        failed = [o for o in tx.operations.open(agent.id) if o.purge and o.error]
        if not failed:
            raise Conflict(f"{agent.name} is being purged already")
        self.log(tx, agent, {"state": "purging"})
        return failed[0]

    def order_destroy(
        self, tx: Transaction, agent: Agent, actor: str, purge: bool, approval_id: int | None
    ) -> Operation:
        gone = replace(
            agent,
            wanted="stopped",
            state="purging" if purge else "tombstone",
            retired_by=actor,
        )
        tx.agents.save(gone)
        self.log(tx, gone, {"state": gone.state})
        self._audit(tx, actor, "agent.purge" if purge else "agent.destroy", agent.name)
        return tx.operations.add(
            "destroy",
            agent.id,
            agent.name,
            actor,
            self._clock.now(),
            approval_id=approval_id,
            purge=purge,
        )

    async def set_model(self, name: str, model: str | None) -> Agent:
        """The operator's override, in force from the next turn; None takes it back."""

        def change(tx: Transaction) -> Agent:
            agent = self.find(tx, name, OPERATOR)
            if model is not None:
                self._policy.check_model(model)
            changed = replace(agent, model_override=model)
            tx.agents.save(changed)
            self.log(tx, changed, {"model": self._policy.effective_model(changed).id})
            self._audit(tx, OPERATOR, "agent.model", name, model or "default")
            return changed

        return await self._store.write(change)

    async def record_push(self, name: str, push: Push) -> None:
        """The operator had this hint sent down the agent's link."""

        def change(tx: Transaction) -> None:
            self._audit(tx, OPERATOR, f"agent.{push}", name)

        await self._store.write(change, essential=True)

    # --- helpers ---

    def find(self, tx: Transaction, name: str, actor: str) -> Agent:
        """A present agent by name; what the operator is told plainly, agents are not."""
        agent = tx.agents.by_name(name)
        if agent is None or agent.state != "present":
            if actor == OPERATOR:
                raise NotFound(f"there is no agent {name!r}")
            raise Forbidden
        return agent

    def log(self, tx: Transaction, agent: Agent, data: dict[str, object]) -> None:
        tx.events.append("agent", agent.name, data, self._clock.now())

    def _audit(
        self, tx: Transaction, actor: str, action: str, subject: str, detail: str = ""
    ) -> None:
        tx.audit.append(actor, action, subject, detail, self._clock.now())


def _released(tx: Transaction, agent: Agent) -> Agent:
    """Wanted anew: nothing holds it back, and after a quarantine no earlier crash counts."""
    counted = tx.events.last() if agent.quarantined else agent.crashes_from
    return replace(agent, wanted="running", quarantined=None, hold=None, crashes_from=counted)
