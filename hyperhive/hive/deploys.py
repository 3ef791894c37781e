"""What the operator and the manager may order about deploys; the deployer carries it out."""

from __future__ import annotations

from dataclasses import replace

from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.deploy_ends import Ends
from hyperhive.hive.deploy_orders import order_deploy, running_commit
from hyperhive.hive.deploy_rows import OPEN_DEPLOYS, Deploy
from hyperhive.hive.deploy_views import is_stale
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Agent
from hyperhive.protocol.errors import AlreadyResolved, Conflict, Forbidden, InvalidField, NotFound
from hyperhive.protocol.model import MANAGER, OPERATOR


class Deploys:
    """Of what runs, what ran, and what waits."""

    def __init__(
        self, store: Store, clock: Clock, configs: Configs, builds: Builds, ends: Ends
    ) -> None:
        self._store = store
        self._clock = clock
        self._configs = configs
        self._builds = builds
        self._ends = ends

    async def update(self, name: str, actor: str = OPERATOR) -> Deploy:
        """Build what it has against the host of now, and run that.

        Raises NotFound, Forbidden, Conflict.
        """

        def change(tx: Transaction) -> Deploy:
            agent = _find(tx, name, actor)
            if (commit := _commit(tx, agent)) is None:
                raise Conflict(f"{name} has no configuration yet")
            if actor != OPERATOR:
                _check_not_cancelled(tx, agent)
            return order_deploy(tx, self._clock, agent, "update", commit, actor)

        return await self._store.write(change)

    async def update_all(self, actor: str = OPERATOR) -> list[Deploy]:
        """`update` of every agent that is out of date or never came up.

        But those that have a deploy going on.
        """

        def change(tx: Transaction) -> list[Deploy]:
            return [
                order_deploy(tx, self._clock, agent, "update", commit, actor)
                for agent in tx.agents.all()
                if agent.state == "present" and not tx.deploys.open(agent.id)
                if agent.deploy is None or is_stale(tx, agent, self._builds.host)
                if (commit := _commit(tx, agent))
            ]

        return await self._store.write(change)

    async def rollback(self, name: str, to: int | None = None, actor: str = OPERATOR) -> Deploy:
        """Go back to what deploy `to` ran, or to what ran before, as a new commit.

        Raises NotFound, Conflict, InvalidField when there is nothing of the kind.
        """

        def find(tx: Transaction) -> tuple[Deploy, str]:
            agent = _find(tx, name, actor)
            return _target(tx, agent, to), _commit(tx, agent) or ""

        target, base = await self._store.read(find)
        message = f"back to deploy {target.id}"
        commit = await self._configs.restore(name, target.commit, base, message)

        def change(tx: Transaction) -> Deploy:
            agent = _find(tx, name, actor)
            if _commit(tx, agent) != base:
                raise Conflict(f"{name} has changed meanwhile; look again")
            return order_deploy(tx, self._clock, agent, "rollback", commit, actor)

        return await self._store.write(change)

    async def cancel(self, deploy_id: int, actor: str = OPERATOR) -> Deploy:
        """Give up one that is not tried yet. Raises NotFound, AlreadyResolved, Conflict."""

        def change(tx: Transaction) -> Deploy:
            deploy = tx.deploys.get(deploy_id)
            if deploy is None:
                raise NotFound(f"there is no deploy {deploy_id}")
            if deploy.state not in OPEN_DEPLOYS:
                raise AlreadyResolved(f"deploy {deploy_id} is {deploy.state}", deploy.state)
            if deploy.state == "starting":
                raise Conflict(f"deploy {deploy_id} is being tried; it ends by itself")
            tx.audit.append(actor, "deploy.cancel", deploy.agent, str(deploy_id), self._clock.now())
            cancelled = replace(deploy, state="cancelled", error=f"cancelled by the {actor}")
            return self._ends.record(tx, cancelled)

        return await self._store.write(change, essential=True)

    def queue(self, tx: Transaction) -> list[Deploy]:
        """What is going on, then what waits in the order of its turn: the manager last."""
        return sorted(
            tx.deploys.open(), key=lambda d: (d.state == "queued", d.agent == MANAGER, d.id)
        )


def _find(tx: Transaction, name: str, actor: str) -> Agent:
    agent = tx.agents.by_name(name)
    if agent is None or agent.state != "present":
        raise NotFound(f"there is no agent {name!r}") if actor == OPERATOR else Forbidden()
    return agent


def _commit(tx: Transaction, agent: Agent) -> str | None:
    """What it runs, or what was tried last where nothing has ever come up."""
    if commit := running_commit(tx, agent):
        return commit
    last = tx.deploys.recent(agent.id, 1)
    return last[0].commit if last else None


def _check_not_cancelled(tx: Transaction, agent: Agent) -> None:
    """What the operator gave up, and never ran, is only the operator's to try again."""
    last = tx.deploys.recent(agent.id, 1)
    if running_commit(tx, agent) is None and last and last[0].state == "cancelled":
        raise Conflict(f"deploy {last[0].id} of {agent.name} was cancelled; ask the operator")


def _target(tx: Transaction, agent: Agent, to: int | None) -> Deploy:
    if to is None:
        current = _commit(tx, agent)
        for earlier in tx.deploys.recent(agent.id, 1_000):
            if earlier.state == "done" and earlier.commit != current:
                return earlier
        raise Conflict(f"{agent.name} has run nothing else before")
    chosen = tx.deploys.get(to)
    if chosen is None or chosen.agent_id != agent.id or chosen.state != "done":
        raise InvalidField("to", f"deploy {to} is none that {agent.name} has run")
    return chosen
