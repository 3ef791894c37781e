"""A service that dies at any step between an upload and a healthy agent: the next one goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperhive.hive import hive as rules
from hyperhive.hive.config_ports import Configs
from hyperhive.hive.ports import Store
from hyperhive.hive.records import OPEN_APPROVALS, Approval
from hyperhive.protocol.errors import HiveError, NotFound
from tests.hive.building import SECONDS, Built
from tests.hive.conftest import MakeBuilt
from tests.hive.crash_points import SteppedStore, Steps
from tests.hive.moves import first
from tests.hive.proposing import Clone
from tests.support.wait import wait_for

MOST = 200
EVERY = 3
"""Before or after each step: of two a third is passed over, by turns of either kind."""
KEY = "the-proposal"


class SteppedConfigs:
    """The port `Configs`, with a step before and after whatever changes a repository."""

    CHANGES = ("receive", "pin", "mark", "settle", "declare")

    def __init__(self, configs: Configs, step: Steps) -> None:
        self._configs = configs
        self._step = step

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._configs, name)

        async def stepped(*args: Any, **options: Any) -> Any:
            await self._step(name)
            result = await call(*args, **options)
            await self._step(f"{name} done")
            return result

        return stepped if name in self.CHANGES else call


@asynccontextmanager
async def dying_at(built: Built, last: int) -> AsyncIterator[Steps]:
    assert built.workshop is not None
    configs, builds = built.workshop
    steps = Steps(last)
    store: Store = SteppedStore(built.database, steps)
    workshop: Any = (SteppedConfigs(configs, steps), builds)
    built.hive = rules.build(store, built.clock, built.rules_of, "api_key", workshop)
    async with built.serving():
        yield steps


async def live_through(built: Built, clone: Clone, commit: str, base: str | None) -> None:
    """What manager and operator do, again and again until it is over."""

    async def step() -> bool:
        approval = await _the_one(built)
        try:
            if approval is None:
                await _ask(clone, commit, base)
            elif approval.state == "pending":
                await built.hive.approvals.approve(approval.id)
        except HiveError:
            return False
        approval = await _the_one(built)
        return approval is not None and approval.state in ("done", "failed", "rolled_back")

    await wait_for(step, SECONDS, "the end of the proposal")


async def _ask(clone: Clone, commit: str, base: str | None) -> None:
    try:
        await clone.request(commit, key=KEY)
    except NotFound:
        await clone.upload(commit, base)


async def _the_one(built: Built) -> Approval | None:
    found = await built.read(lambda tx: tx.approvals.recent())
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("settings", ["{}", '{"prompt": "sick"}'], ids=["well", "sick"])
async def test_whenever_it_dies(make_built: MakeBuilt, tmp_path: Path, settings: str) -> None:
    deaths = 0
    for last in range(1, MOST, EVERY):
        built = await make_built()
        before = await first(built)
        await built.send("manager", "alice", "hello")
        clone = Clone(built, tmp_path / f"clone-{last}")
        base = await clone.fetch()
        commit = clone.commit(agent_nix="two", declared_json=settings)
        async with dying_at(built, last) as steps:
            await _until_dead(built, clone, commit, base, steps)
        deaths += steps.dead.is_set()
        await built.git.adopt()
        await built.again()
        async with built.serving():
            await live_through(built, clone, commit, base)
            await built.becomes("idle")
        approval = await _the_one(built)
        assert approval is not None
        assert approval.state not in OPEN_APPROVALS
        deploys = await built.deploys()
        assert len(deploys) == 2, last
        ends = ("rolled_back", before) if "sick" in settings else ("done", deploys[1])
        assert (approval.state, deploys[1].state) == (ends[0], ends[0]), (last, approval.note)
        agent = await built.agent("alice")
        assert (agent.deploy, await built.main()) == (ends[1].id, ends[1].commit), last
        assert deploys[1].commit == commit
        assert deploys[1].id == approval.id
        assert await built.states("alice") == ["hello: accepted 1"], last
        if not steps.dead.is_set():
            break
    assert deaths >= 10


async def _until_dead(
    built: Built, clone: Clone, commit: str, base: str | None, steps: Steps
) -> None:
    living = asyncio.create_task(live_through(built, clone, commit, base))
    dying = asyncio.create_task(steps.dead.wait())
    await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
    for task in (living, dying):
        task.cancel()
    await asyncio.gather(living, dying, return_exceptions=True)
