"""All the rules together, as the surfaces see them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hyperhive.hive.aftermath import Aftermath
from hyperhive.hive.agents import Agents
from hyperhive.hive.approvals import Approvals
from hyperhive.hive.attendance import Attendance
from hyperhive.hive.bells import Bells
from hyperhive.hive.broker import Broker
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.declarations import Declarations
from hyperhive.hive.deploying import Deploying
from hyperhive.hive.egress import Egress
from hyperhive.hive.events import EventLog
from hyperhive.hive.housekeeping import Housekeeping
from hyperhive.hive.leases import Leases, forget_runs
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import AgentSockets, Runtime, Store
from hyperhive.hive.presence import Links
from hyperhive.hive.questions import Questions
from hyperhive.hive.reconciler import Reconciler
from hyperhive.hive.spending import Spending
from hyperhive.hive.storage_guard import FreeSpace, Storage, StorageGuard, known_level
from hyperhive.hive.turns import Turns
from hyperhive.hive.views import Views
from hyperhive.protocol.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Hive:
    """One swarm. Surfaces call its parts; the service runs its tasks."""

    store: Store
    clock: Clock
    policy: Policy
    bells: Bells
    links: Links
    leases: Leases
    broker: Broker
    turns: Turns
    questions: Questions
    agents: Agents
    declarations: Declarations
    approvals: Approvals
    deploying: Deploying | None
    spending: Spending
    egress: Egress
    events: EventLog
    storage: Storage
    views: Views

    def need_deploying(self) -> Deploying:
        """Raises Unavailable where agents are not built."""
        if self.deploying is None:
            raise Unavailable("agents are not built here: the configuration has no `nix`")
        return self.deploying

    async def recover(self) -> None:
        """Before anything else: the configuration's agents, and leases from before."""
        await self.declarations.apply()
        await self.leases.recover()
        self.storage.level = await self.store.read(known_level)

    async def expect_ends(self) -> None:
        """Before all agents are ended on purpose, by whoever ends the hive with them."""
        await self.store.write(forget_runs, essential=True)

    async def run(self, runtime: Runtime, sockets: AgentSockets, free_space: FreeSpace) -> None:
        """The swarm's own tasks, until cancelled."""
        guard = StorageGuard(self.store, self.clock, self.storage, free_space)
        await guard.look()  # before anything is started
        aftermath = Aftermath(
            self.store,
            self.clock,
            self.policy,
            self.leases,
            self.questions,
            self.links,
        )
        attendance = Attendance(self.store, self.clock, self.links, aftermath)
        reconciler = Reconciler(
            self.store,
            self.clock,
            runtime,
            sockets,
            aftermath,
            attendance,
            self.storage,
            self.deploying,
        )
        keeping = Housekeeping(self.store, self.clock, self.policy, self.broker, self.questions)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.leases.run(), name="leases")
            tasks.create_task(keeping.run(), name="housekeeping")
            tasks.create_task(reconciler.run(), name="reconciler")
            tasks.create_task(guard.run(), name="storage")
            if self.deploying is not None:
                tasks.create_task(self.deploying.deployer.run(), name="deployer")
                tasks.create_task(self.deploying.configurations.run(), name="configurations")
                tasks.create_task(self.deploying.checks.run(), name="proposal checks")


def build(
    store: Store,
    clock: Clock,
    policy: Policy,
    credential_kind: str,
    workshop: tuple[Configs, Builds] | None = None,
) -> Hive:
    """Wire the rules to a store and a clock, and where agents are built to what builds them."""
    bells, links, storage = Bells(), Links(), Storage()
    leases = Leases(store, clock, policy)
    agents = Agents(store, clock, policy)
    approvals = Approvals(store, clock, policy, agents)
    events = EventLog(store)
    store.subscribe(bells.publish)
    store.subscribe(events.publish)
    return Hive(
        store=store,
        clock=clock,
        policy=policy,
        bells=bells,
        links=links,
        leases=leases,
        broker=Broker(store, clock, policy, leases, bells),
        turns=Turns(store, clock, policy, leases, links, storage, credential_kind),
        questions=Questions(store, clock, policy),
        agents=agents,
        declarations=Declarations(store, clock, policy, agents),
        approvals=approvals,
        deploying=Deploying.of(store, clock, policy, links, agents, *workshop)
        if workshop
        else None,
        spending=Spending(store, clock, policy),
        egress=Egress(store, clock),
        events=events,
        storage=storage,
        views=Views(clock, policy, links, storage, workshop[1].host if workshop else None),
    )
