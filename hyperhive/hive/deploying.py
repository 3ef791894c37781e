"""What there is where agents are built: orders, the queue, and what feeds it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hyperhive.hive.agents import Agents
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.configurations import Configurations
from hyperhive.hive.deploy_ends import Ends
from hyperhive.hive.deployer import Deployer
from hyperhive.hive.deploys import Deploys
from hyperhive.hive.health_gate import HealthGate
from hyperhive.hive.policy import Policy
from hyperhive.hive.ports import Store
from hyperhive.hive.presence import Links
from hyperhive.hive.proposal_checks import ProposalChecks
from hyperhive.hive.proposals import Proposals
from hyperhive.hive.trial import Trial


@dataclass(frozen=True, slots=True)
class Deploying:
    """Of one hive; absent where all agents start from the same bundle."""

    configs: Configs
    builds: Builds
    deploys: Deploys
    deployer: Deployer
    configurations: Configurations
    proposals: Proposals
    checks: ProposalChecks

    @classmethod
    def of(
        cls,
        store: Store,
        clock: Clock,
        policy: Policy,
        links: Links,
        agents: Agents,
        configs: Configs,
        builds: Builds,
    ) -> Deploying:
        spawning = asyncio.Lock()
        ends = Ends(store, clock, configs, builds)
        deploys = Deploys(store, clock, configs, builds, ends)
        trial = Trial(store, clock, configs, HealthGate(store, links), ends)
        return cls(
            configs,
            builds,
            deploys,
            Deployer(store, clock, policy, configs, builds, deploys, trial, ends),
            Configurations(store, clock, policy, configs, builds),
            Proposals(store, clock, policy, configs, agents, spawning),
            ProposalChecks(store, clock, policy, configs, builds, spawning),
        )

    async def forget(self, agent: str) -> None:
        """It was purged. Repeatable."""
        await self.configs.remove(agent)
        await self.builds.forget(agent)
