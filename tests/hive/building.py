"""A hive whose agents are built: real git, builds that go by what files say, and harnesses.

A harness is as the prompt says: `sick`, `silent`, `dies` (as soon as it runs), else fit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperhive.flakes.git import Repositories
from hyperhive.hive.deploy_rows import Deploy, DeployState
from hyperhive.hive.policy import AgentPolicy
from hyperhive.hive.records import Event
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.link import Hello
from hyperhive.protocol.verbs import SelfCheck
from hyperhive.protocol.wire import dumps
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.hive.world import MANAGER, WORKER, World, policy
from tests.store.given import StepClock
from tests.support.wait import wait_for
from tests.support.workshop import FakeBuilds, open_fake_workshop

SECONDS = 30.0
"""For git, beside whatever else this machine is doing."""
SICK = "claude does not start"


def declared(text: str = "one", of: AgentPolicy = WORKER, **options: Any) -> AgentPolicy:
    """An agent whose `agent.nix` is this; `settings` are rendered, the rest is its policy's."""
    settings = options.pop("settings", {})
    files = {"agent.nix": text.encode(), "declared.json": dumps(settings).encode()}
    return replace(of, **{"files": files, **options})


def quiet(**agents: AgentPolicy) -> dict[str, AgentPolicy]:
    """These agents, and a manager that is never deployed."""
    return {"manager": MANAGER, **agents}


@dataclass
class Built(World):
    """Its workshop outlives the service."""

    applied: Path = field(kw_only=True)

    @property
    def builds(self) -> FakeBuilds:
        assert self.workshop is not None
        builds = self.workshop[1]
        assert isinstance(builds, FakeBuilds)
        return builds

    @property
    def git(self) -> Repositories:
        return Repositories(self.applied)

    async def redeclare(self, **agents: AgentPolicy) -> None:
        """The service anew, with another configuration."""
        known = {n: a for n, a in self.rules_of.declared.items() if n not in agents}
        await self.again(replace(self.rules_of, declared={**known, **agents}))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """With its own tasks, and a harness in each run."""
        async with self.alive(), harnesses(self):
            yield

    # --- what became of it ---

    async def deploys(self, name: str = "alice") -> list[Deploy]:
        """Oldest first, also of agents that had the name before."""
        found = await self.read(lambda tx: tx.deploys.recent(None, 1_000))
        return [d for d in reversed(found) if d.agent == name]

    async def over(self, number: int = 0, name: str = "alice") -> Deploy:
        """The deploy of this number, once it is over."""

        async def look() -> Deploy | None:
            found = await self.deploys(name)
            return found[number] if len(found) > number and found[number].ended_at else None

        return await wait_for(look, SECONDS, f"deploy {number} of {name}")

    async def reached(self, state: DeployState, number: int = 0, name: str = "alice") -> Deploy:
        async def look() -> Deploy | None:
            found = await self.deploys(name)
            return found[number] if len(found) > number and found[number].state == state else None

        return await wait_for(look, SECONDS, f"deploy {number} of {name} to be {state}")

    async def kinds(self, name: str = "alice") -> list[str]:
        return [f"{d.kind} {d.state}" for d in await self.deploys(name)]

    async def main(self, name: str = "alice") -> str | None:
        return await self.git.head(name) if await self.git.exists(name) else None

    async def tagged(self, tag: str, name: str = "alice") -> str:
        """The commit that the tag names, once it is there."""
        await wait_for((self.applied / f"{name}.git/refs/tags" / tag).exists, SECONDS, tag)
        found = await self.git.tagged(name, tag)
        assert found is not None
        return found

    async def keeps(self, name: str = "alice", **bundles: str) -> None:
        await wait_for(lambda: self.builds.kept.get(name) == bundles, SECONDS, f"kept {bundles}")

    async def text(self, commit: str, name: str = "alice", path: str = "agent.nix") -> str:
        return (await self.git.read(name, commit, path, 2**20)).decode()

    async def bundle(self, name: str = "alice") -> str | None:
        """What it runs from."""
        run = self.runtime.runs.get(name)
        return self.runtime.bundles[run.id] if run else None

    async def shown(self, name: str = "alice") -> dict[str, Any]:
        agent = await self.agent(name)
        return await self.read(lambda tx: self.hive.views.agent_details(tx, agent))

    async def becomes(self, state: str, name: str = "alice") -> dict[str, Any]:
        """Wait until this is shown of the agent."""

        async def look() -> dict[str, Any] | None:
            shown = await self.shown(name)
            return shown if shown["state"] == state else None

        return await wait_for(look, SECONDS, f"{name} to be {state}")


async def open_built(directory: Path, **changes: Any) -> Built:
    database = await Database.open(
        directory / "hive.db", Tuning(reserve_bytes=2**20, synchronous="NORMAL")
    )
    rules = policy(**{"built": True, "declared": quiet(alice=declared()), **changes})
    clock, applied = StepClock(), directory / "applied"
    workshop = open_fake_workshop(applied, clock)
    built = Built(database, rules, clock, workshop=workshop, applied=applied)
    await built.hive.recover()
    return built


@asynccontextmanager
async def harnesses(world: World) -> AsyncIterator[None]:
    """One in each run, those that run already first. At the end they are gone."""
    begun: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as tasks:

        def see(events: Sequence[Event]) -> None:
            for event in events:
                if event.kind == "started" and event.agent:
                    begun.append(tasks.create_task(_begin(world, event.agent)))
                elif event.kind == "agent" and event.agent and "settings" in event.data:
                    begun.append(tasks.create_task(_report(world, event.agent)))

        stop = world.database.subscribe(see)
        begun += [tasks.create_task(_begin(world, name)) for name in world.runtime.runs]
        try:
            yield
        finally:
            stop()
            for task in begun:
                task.cancel()


async def _begin(world: World, name: str) -> None:
    run = world.runtime.runs.get(name)
    agent = await world.read(lambda tx: tx.agents.by_name(name))
    if run is None or agent is None or agent.settings.prompt == "silent":
        return
    if agent.settings.prompt == "dies":
        world.runtime.end(name, "crash", 7)
        return
    try:
        await world.hive.turns.hello(agent.id, Hello(protocol=1, instance=f"instance-{run.id}"))
    except HiveError:
        return  # it was removed meanwhile
    await _report(world, name)


async def _report(world: World, name: str) -> None:
    """As at the start, and whenever new settings are in force."""
    run = world.runtime.runs.get(name)
    agent = await world.read(lambda tx: tx.agents.by_name(name))
    if run is None or agent is None or agent.settings.prompt in ("silent", "deaf"):
        return
    problem = SICK if agent.settings.prompt == "sick" else ""
    report = SelfCheck(ok=not problem, problem=problem, settings_version=agent.settings_version)
    try:
        await world.hive.turns.self_check(agent.id, f"instance-{run.id}", report)
    except HiveError:
        return  # its link is not up
