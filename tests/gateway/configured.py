"""A gateway before real repositories: agents run from commits, and nothing looks at proposals."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yarl import URL

from hyperhive.gateway.limits import ConfigLimits, Limits
from hyperhive.hive.policy import AgentPolicy
from hyperhive.hive.ports import Transaction
from hyperhive.service.git_configs import GitConfigs
from tests.gateway.world import World, policy, running
from tests.store.given import StepClock
from tests.support.workshop import open_fake_workshop

MANY = Limits(requests_per_second=1_000_000, burst=1_000_000)


@dataclass(frozen=True)
class Configured:
    """The manager may manage, bob may propose for himself, alice nothing."""

    world: World
    configs: GitConfigs

    async def runs(self, name: str, text: str, **files: bytes | None) -> str:
        """A commit on top of what runs, deployed; its id."""
        base = (await self.configs.refs(name)).main
        changed = {"agent.nix": text.encode(), **files}
        commit = await self.configs.declare(name, changed, base)
        agent = await self.world.agent(name)

        def deployed(tx: Transaction) -> int:
            deploy = tx.deploys.add("declare", agent.id, name, commit, "system", 0.0)
            tx.deploys.save(replace(deploy, state="done", ended_at=1.0))
            tx.agents.save(replace(agent, deploy=deploy.id))
            return deploy.id

        await self.configs.settle(name, await self.world.hive.store.write(deployed), commit)
        return commit

    async def refs(self, by: str) -> dict[str, Any]:
        status, answer = await self.ask(by, "GET", "/v1/config")
        assert status == 200, answer
        agents: dict[str, Any] = answer["agents"]
        return agents

    async def ask(
        self, by: str, method: str, path: str, data: bytes | None = None
    ) -> tuple[int, Any]:
        """Status and JSON, or bytes if it is none; the path goes as it is."""
        async with self.world.client(by).http() as http:
            url = URL(f"http://hive{path}", encoded=True)
            body = io.BytesIO(data) if data else None
            async with http.request(method, url, data=body) as answer:
                if answer.content_type == "application/json":
                    return answer.status, await answer.json()
                return answer.status, await answer.read()


@asynccontextmanager
async def configured(
    root: Path,
    sockets: Path,
    config_limits: ConfigLimits | None = None,
    upstream_url: str = "",
) -> AsyncIterator[Configured]:
    configs, builds = open_fake_workshop(root / "applied", StepClock())
    rules = replace(policy(bob=AgentPolicy(capabilities=("propose",))), built=True)
    async with running(
        *(root, sockets, rules, MANY),
        workshop=(configs, builds),
        config_limits=config_limits,
        upstream_url=upstream_url,
    ) as world:
        yield Configured(world, configs)


async def git(directory: Path, *words: str, given: bytes = b"") -> str:
    """As a person or a model calls it there, without a configuration of its own elsewhere."""
    return await asyncio.to_thread(_git, directory, words, given)


def _git(directory: Path, words: tuple[str, ...], given: bytes) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["git", *words],
        cwd=directory,
        env=environment,
        input=given,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()
