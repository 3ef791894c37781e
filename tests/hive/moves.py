"""Short ways to have agents built and changed, and what has to be so after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.policy import AgentPolicy
from hyperhive.hive.records import Approval
from tests.hive.building import SECONDS, Built, declared, quiet
from tests.support.wait import let_time_pass, wait_for


class Gate:
    """Holds a step of the workshop until it is opened."""

    def __init__(self, built: Built, step: str) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self.left: list[str] = []
        self._step = step
        built.builds.step = self

    async def __call__(self, step: str) -> None:
        if step == self._step:
            self.reached.set()
            try:
                await self.opened.wait()
            except asyncio.CancelledError:
                self.left.append(step)
                raise


def anew(text: str = "two", **settings: Any) -> AgentPolicy:
    return declared(text, settings=settings, apply="always")


async def first_of_both(make_built: Callable[..., Awaitable[Built]]) -> Built:
    """With alice and bob, whose first deploys have come up."""
    built = await make_built(declared=quiet(alice=declared(), bob=declared()))
    async with built.serving():
        await built.over()
        await built.over(0, "bob")
    return built


async def first(built: Built) -> Deploy:
    """Alice's first deploy, which comes up."""
    async with built.serving():
        deploy = await built.over()
        await built.becomes("idle")
        await built.keeps(running=bundle(deploy))
    return deploy


def bundle(deploy: Deploy) -> str:
    assert deploy.built is not None
    return deploy.built.bundle


async def is_back(built: Built, before: Deploy, failed: Deploy, why: str) -> None:
    assert (failed.state, failed.error, failed.previous) == ("rolled_back", why, before.id)
    assert await built.tagged(f"failed/{failed.id}") == failed.commit
    await built.keeps(running=bundle(before))
    assert await built.main() == before.commit
    agent = await built.agent("alice")
    assert before.built is not None
    assert (agent.deploy, agent.bundle) == (before.id, bundle(before))
    assert agent.settings == before.built.settings
    told = await built.hear("manager", "rolled_back")
    assert (told["ok"], told["note"], told["deploy"]) == (False, why, failed.id)


async def proposals(built: Built, state: str = "pending") -> list[Approval]:
    """Oldest first."""
    found = await built.read(lambda tx: tx.approvals.recent(100))
    return [a for a in reversed(found) if a.kind == "apply_commit" and a.state == state]


async def asked(built: Built) -> Approval:
    """The one proposal that waits, once there is one."""

    async def look() -> list[Approval]:
        return await proposals(built)

    (found,) = await wait_for(look, SECONDS, "a proposal")
    return found


async def ask(built: Built, policy: AgentPolicy) -> Approval:
    """The service anew with this declaration of alice, of which the operator is asked."""
    older = await proposals(built)
    await built.redeclare(alice=policy)
    async with built.serving():
        await wait_for(lambda: is_another(built, older), SECONDS, "another proposal")
        return await asked(built)


async def is_another(built: Built, older: list[Approval]) -> bool:
    return await proposals(built) not in ([], older)


async def nothing_follows(built: Built) -> None:
    before = await built.kinds(), await built.read(lambda tx: tx.approvals.recent(100))
    async with built.serving():
        await let_time_pass(0.3)
    assert (await built.kinds(), await built.read(lambda tx: tx.approvals.recent(100))) == before


async def files(built: Built, commit: str) -> dict[str, str]:
    entries = await built.git.list("alice", commit)
    return {entry.path: await built.text(commit, path=entry.path) for entry in entries}
