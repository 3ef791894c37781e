"""A swarm whose agents are built, with deploys in any state that nothing carries out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperhive.flakes.git import Repositories
from hyperhive.hive.approval_steps import close, log_approval, propose
from hyperhive.hive.deploy_rows import Built, Deploy, DeployKind, DeployState
from hyperhive.hive.mail import SYSTEM_SENDER
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Approval
from hyperhive.protocol.bundle import AgentSettings, settings_json
from hyperhive.service.git_configs import GitConfigs
from tests.support.commits import Files, forge
from tests.support.swarm import POLICY, Swarm, TurnedClock, swarm
from tests.support.workshop import FakeBuilds

PART = 256 * 1024
OVER = ("done", "failed", "rolled_back", "cancelled")


class PrintedBuilds(FakeBuilds):
    """Logs that a test can write to, read in parts of whole lines as the service reads them."""

    @property
    def printed(self) -> dict[int, bytes]:
        return self._logs

    def print(self, deploy: int, text: str) -> None:
        self._logs[deploy] = self._logs.get(deploy, b"") + text.encode()

    async def log(self, deploy: int, offset: int) -> tuple[str, int]:
        data = self._logs.get(deploy, b"")[offset : offset + PART]
        data = data[: data.rfind(b"\n") + 1]
        return data.decode(errors="replace"), offset + len(data)


@dataclass
class Workshop:
    """What a swarm is built in, and the rows of it."""

    made: Swarm
    configs: GitConfigs
    builds: PrintedBuilds
    _systems: int = field(default=0)

    async def commit(self, agent: str, text: str) -> str:
        base = await self.configs.head(agent)
        return await self.configs.declare(agent, {"agent.nix": text.encode()}, base)

    async def deploy(
        self,
        agent: str,
        state: DeployState = "done",
        kind: DeployKind = "update",
        commit: str = "c" * 40,
        approval_id: int | None = None,
        **more: Any,
    ) -> Deploy:
        """One that took 83 s if it is over; a done one is what the agent runs."""
        built, clock = self._built(agent), self.made.clock

        def change(tx: Transaction) -> Deploy:
            of = tx.agents.by_name(agent)
            assert of is not None
            by, now = "operator", clock.now()
            row = tx.deploys.add(kind, of.id, agent, commit, by, now, approval_id)
            if state != "queued":
                row = replace(row, begun_at=now)
            if state in OVER:
                row = replace(row, ended_at=now + 83)
            if state in ("done", "rolled_back", "starting"):
                row = replace(row, built=replace(built, settings=of.settings), previous=of.deploy)
            row = replace(row, state=state, **more)
            tx.deploys.save(row)
            if state == "done":
                tx.agents.save(replace(of, deploy=row.id, bundle=built.bundle))
            data = {"deploy": row.id, "state": row.state}
            tx.events.append("deploy", agent, data, now)
            return row

        return await self.made.hive.store.write(change)

    async def change(self, deploy: int, **more: Any) -> None:
        def change(tx: Transaction) -> None:
            row = tx.deploys.get(deploy)
            assert row is not None
            row = replace(row, **more)
            tx.deploys.save(row)
            data = {"deploy": row.id, "state": row.state}
            tx.events.append("deploy", row.agent, data, self.made.clock.now())

        await self.made.hive.store.write(change)

    async def forge(self, agent: str, base: str | None, files: Files, message: str = "more") -> str:
        """A commit that is not the host's."""
        repository = self.made.directory / "applied" / f"{agent}.git"
        return await forge(repository, base, files, message)

    async def propose(
        self,
        agent: str,
        commit: str,
        base: str,
        description: str,
        by: str = "",
        checked: bool = True,
        **found: Any,
    ) -> Approval:
        """By the host unless by an agent; `found` is what `check` takes."""
        of = await self.made.agent(agent)
        asker = await self.made.sender(by) if by else SYSTEM_SENDER
        asked = await self.made.hive.store.write(
            lambda tx: propose(tx, self.made.clock, asker, of, commit, base, description)
        )
        return await self.check(asked.id, **found) if checked else asked

    async def check(
        self, number: int, settings: AgentSettings | None = None, **more: Any
    ) -> Approval:
        """A request is found to be in order; `more` is of what it binds, such as `warnings`."""

        def change(tx: Transaction) -> Approval:
            asked = tx.approvals.get(number)
            assert asked is not None
            built = self._built(asked.agent)
            bound = {"tree": "7" * 40, "host": built.host, "drv": built.drv, "system": built.system}
            of = {"settings": settings_json(settings or built.settings), "warnings": []}
            binding = {**asked.binding, **bound, **of, "closure": None, **more}
            shown = replace(asked, state="pending", binding=binding)
            tx.approvals.save(shown)
            log_approval(tx, self.made.clock, shown)
            return shown

        return await self.made.hive.store.write(change)

    async def checking(self, approval_id: int) -> None:
        """It is looked at once more."""

        def change(tx: Transaction) -> None:
            approval = tx.approvals.get(approval_id)
            assert approval is not None
            again = replace(approval, state="checking")
            tx.approvals.save(again)
            log_approval(tx, self.made.clock, again)

        await self.made.hive.store.write(change)

    async def fail(self, number: int, why: str) -> None:
        """A request is found not to be."""

        def change(tx: Transaction) -> None:
            asked = tx.approvals.get(number)
            assert asked is not None
            close(tx, self.made.clock, asked, "failed", why)

        await self.made.hive.store.write(change)

    def _built(self, agent: str) -> Built:
        self._systems += 1
        bundle = f"/nix/store/{self._systems:032d}-agent-{agent}"
        return Built(self.builds.host, f"{bundle}.drv", f"{bundle}-s", AgentSettings(), bundle)


@asynccontextmanager
async def workshop(directory: Path, **options: object) -> AsyncIterator[Workshop]:
    """The manager and alice are declared; nothing was deployed, and nothing carries deploys out."""
    repositories, clock = Repositories(directory / "applied"), TurnedClock()
    parts = GitConfigs(repositories, clock), PrintedBuilds(repositories)
    async with swarm(directory, replace(POLICY, built=True), workshop=parts, **options) as made:
        yield Workshop(made, *parts)
