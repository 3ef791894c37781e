"""Brings the agents in line with those that the configuration declares."""

from __future__ import annotations

from dataclasses import replace

from hyperhive.hive.agents import Agents
from hyperhive.hive.clock import Clock
from hyperhive.hive.policy import AgentPolicy, Policy, as_declared
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Agent
from hyperhive.protocol.wire import dumps, loads

CONFIGURATION = "configuration"
"""The actor where a declaration was taken out."""
BURIED_KEY = "purged_agents"
"""Row of `meta`: names of agents that the operator purged. Declared ones do not come back."""


class Declarations:
    """At start: new declarations appear, changed ones apply, removed ones are stopped and kept.

    What the operator destroyed stays so until the operator brings it back, whatever is declared.
    """

    def __init__(self, store: Store, clock: Clock, policy: Policy, agents: Agents) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._agents = agents

    async def apply(self) -> None:
        def change(tx: Transaction) -> None:
            buried = _buried(tx)
            for name, policy in self._policy.declared.items():
                agent = tx.agents.by_name(name)
                if agent is not None:
                    self._redeclare(tx, agent, policy)
                elif name not in buried:
                    self._agents.create(tx, name, policy, "declared", policy.description)
            for agent in tx.agents.all():
                gone = agent.origin == "declared" and agent.name not in self._policy.declared
                if gone and agent.state == "present":
                    self._agents.order_destroy(tx, agent, CONFIGURATION, False, None)
            # One that is taken out and declared again later is a new agent.
            _bury(tx, buried & self._policy.declared.keys())

        # On a full disk too: the service has to come up so that somebody can make room.
        await self._store.write(change, essential=True)

    def _redeclare(self, tx: Transaction, agent: Agent, policy: AgentPolicy) -> None:
        returns = agent.state == "tombstone" and agent.retired_by in (None, CONFIGURATION)
        if agent.state != "present" and not returns:
            return
        wanted = "running" if returns and policy.auto_start else agent.wanted
        changed = as_declared(agent, policy, built=self._policy.built)
        changed = replace(changed, state="present", wanted=wanted, retired_by=None)
        if returns:
            changed = replace(changed, declared=agent.declared.anew())
        if changed != agent:
            tx.agents.save(changed)
            self._agents.log(tx, changed, {"settings": changed.settings_version})

    def absent(self, tx: Transaction) -> list[str]:
        """What is declared and yet not there, each with the way to have it back."""
        agents = {agent.name: agent for agent in tx.agents.all()}
        found, buried = [], _buried(tx)
        for name in self._policy.declared:
            agent = agents.get(name)
            if agent is None and name in buried:
                found.append(f"{name} is declared, but was purged: spawn it to begin anew")
            elif agent is not None and agent.state == "tombstone":
                found.append(f"{name} is declared, but was destroyed: revive it to have it back")
        return found


def bury(tx: Transaction, agent: Agent) -> None:
    """It was purged: a declaration alone does not bring it back."""
    _bury(tx, _buried(tx) | {agent.name})


def _buried(tx: Transaction) -> set[str]:
    names: list[str] = loads((tx.meta.get(BURIED_KEY) or "[]").encode())
    return set(names)


def _bury(tx: Transaction, names: set[str]) -> None:
    if names != _buried(tx):
        tx.meta.set(BURIED_KEY, dumps(sorted(names)))
