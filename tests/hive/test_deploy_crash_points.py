"""A service that dies at any change that a deploy makes: the next one ends it as it should."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from hyperhive.hive import hive as rules
from hyperhive.hive.ports import Store
from tests.hive.building import SECONDS, Built
from tests.hive.conftest import MakeBuilt
from tests.hive.crash_points import SteppedStore, Steps
from tests.hive.moves import anew, bundle, first
from tests.support.wait import wait_for

MOST = 200
EVERY = 3
"""Before or after each change: of two a third is passed over, by turns of either kind."""


@asynccontextmanager
async def dying_at(built: Built, last: int) -> AsyncIterator[Steps]:
    """A service that dies before or after one of its changes, if it gets there."""
    steps = Steps(last)
    store: Store = SteppedStore(built.database, steps)
    built.hive = rules.build(store, built.clock, built.rules_of, "api_key", built.workshop)
    async with built.serving():
        yield steps


async def tried_until_dead(built: Built, last: int) -> bool:
    """Whether it died."""
    async with dying_at(built, last) as steps:

        async def is_over() -> bool:
            found = await built.deploys()
            over = len(found) == 2 and found[1].ended_at is not None
            return steps.dead.is_set() or (over and await is_up(built))

        await wait_for(is_over, SECONDS, "a deploy that is over, or a dead service")
    return steps.dead.is_set()


async def is_up(built: Built) -> bool:
    agent = await built.agent("alice")
    open_ = await built.read(lambda tx: tx.operations.open(agent.id))
    return not open_ and (await built.shown())["state"] == "idle"


@pytest.mark.parametrize("settings", [{}, {"prompt": "sick"}], ids=["well", "sick"])
async def test_whenever_it_dies(make_built: MakeBuilt, settings: dict[str, Any]) -> None:
    deaths = 0
    for last in range(1, MOST, EVERY):
        built = await make_built()
        before = await first(built)
        await built.send("manager", "alice", "hello")
        await built.redeclare(alice=anew("two", **settings))
        died = await tried_until_dead(built, last)
        deaths += died
        await built.again()
        async with built.serving():
            deploy = await built.over(1)
            await wait_for(partial(is_up, built), SECONDS, f"alice to be up; {last}")
            runs = await built.bundle()
        agent, main = await built.agent("alice"), await built.main()
        kept = before if settings else deploy
        assert deploy.state == ("rolled_back" if settings else "done"), last
        assert (agent.deploy, agent.bundle, main) == (kept.id, bundle(kept), kept.commit), last
        assert runs == bundle(kept), last
        assert await built.kinds() == ["declare done", f"declare {deploy.state}"], last
        assert await built.states("alice") == ["hello: accepted 1"], last
        assert await built.events("crash") == [], last
        told = [t["deploy"] for t in await built.told("manager") if "deploy" in t]
        assert told == [before.id, deploy.id], last
        if not died:
            break
    assert deaths >= 8
