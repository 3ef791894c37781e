"""Whose health counts: the run that the deploy ordered, with the deploy's settings in force."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hyperhive.hive import health_gate
from hyperhive.hive.deploy_rows import Built, Deploy
from hyperhive.hive.health_gate import HealthGate, NotHealthy
from hyperhive.hive.ports import Transaction
from hyperhive.hive.presence import Presence
from hyperhive.hive.records import Agent, OperationState, RunEnd
from hyperhive.protocol.bundle import AgentSettings
from tests.hive.world import World
from tests.support.wait import let_time_pass

OLD, NEW = "run-old", "run-new"


class Tried:
    """A deploy of bob that is being tried: settings version 2, its restart not carried out yet."""

    def __init__(self, world: World, *, live: bool = False, timeout: int = 120) -> None:
        self.world = world
        self.gate = HealthGate(world.database, world.hive.links)
        self._live, self._timeout = live, timeout

    async def begin(self) -> "Tried":
        await self.world.save("bob", settings_version=2, run=OLD)
        settings = AgentSettings(health_timeout=self._timeout)
        built = Built("host-1", "/nix/store/d.drv", "/nix/store/s", settings, "/nix/store/b")

        def order(tx: Transaction) -> Deploy:
            agent = tx.agents.by_name("bob")
            assert agent is not None
            deploy = tx.deploys.add("update", agent.id, "bob", "c" * 40, "operator", 0.0)
            operation = tx.operations.add("restart", agent.id, "bob", "deploy", 0.0)
            number = None if self._live else operation.id
            return replace(deploy, state="starting", built=built, operation_id=number)

        self.deploy = await self.world.database.write(order)
        return self

    async def passes(self) -> None:
        await asyncio.wait_for(self.gate.passed(self.deploy), 20)

    async def fails(self) -> str:
        with pytest.raises(NotHealthy) as failed:
            await asyncio.wait_for(self.gate.passed(self.deploy), 20)
        return str(failed.value)

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[asyncio.Task[None]]:
        """It does not pass for a while before the body, and is over after it."""
        task = asyncio.create_task(self.gate.passed(self.deploy))
        await let_time_pass(0.1)
        assert not task.done()
        yield task
        await asyncio.wait_for(task, 20)

    async def started(self, state: OperationState = "done", error: str = "") -> None:
        """By the reconciler, which notes the new run before the end of the operation."""

        def finish(tx: Transaction) -> None:
            operation = tx.operations.get(self.deploy.operation_id or 0)
            assert operation is not None
            tx.operations.save(replace(operation, state=state, error=error))
            tx.events.append("operation", "bob", {}, 0.0)

        await self.world.save("bob", run=NEW)
        await self.world.database.write(finish)

    async def links(self, version: int = 2, healthy: bool | None = True, problem: str = "") -> None:
        presence = Presence("instance-1", 0.0, "", healthy, problem, version)
        self.world.hive.links.set(self.deploy.agent_id, presence)
        await self.world.database.write(lambda tx: tx.events.append("agent", "bob", {}, 0.0))

    async def ends(self, run: str, *, unexpected: bool = True) -> None:
        await self.world.save("bob", last_end=RunEnd("crash", 3, 0.0, unexpected, run))


@pytest.fixture
async def tried(world: World) -> Tried:
    return await Tried(world).begin()


async def test_it_passes_once_started_linked_and_fit(tried: Tried) -> None:
    async with tried.waiting() as waiting:
        await tried.started()
        await tried.links(healthy=None)
        await tried.links(version=1)
        await let_time_pass(0.1)
        assert not waiting.done()
        await tried.links()


async def test_the_old_harness_does_not_count_however_fit_it_is(tried: Tried) -> None:
    async with tried.waiting() as waiting:
        await tried.links()
        await let_time_pass(0.1)
        assert not waiting.done()
        await tried.started()


async def test_the_end_of_the_old_run_does_not_count(tried: Tried) -> None:
    await tried.ends(OLD)
    await tried.started()
    await tried.links()
    await tried.passes()


async def test_the_end_of_the_new_run_counts(tried: Tried) -> None:
    await tried.started()
    await tried.ends(NEW)
    await tried.links()
    assert await tried.fails() == "it ended as soon as it ran: crash, exit 3"


async def test_a_start_that_fails_is_told_in_its_words(tried: Tried) -> None:
    await tried.started("failed", "no such bundle")
    assert await tried.fails() == "no such bundle"


async def test_what_harness_and_operator_do_meanwhile(tried: Tried) -> None:
    await tried.started()
    await tried.links(healthy=False, problem="an MCP server is missing")
    assert await tried.fails() == "an MCP server is missing"
    await tried.world.save("bob", quarantined="5 crashes")
    assert await tried.fails() == "5 crashes"
    await tried.world.save("bob", wanted="stopped")
    assert await tried.fails() == "it was stopped before it was healthy"
    await tried.world.save("bob", state="tombstone")
    assert await tried.fails() == "bob was removed"


async def test_its_time_begins_with_its_start(world: World) -> None:
    tried = await Tried(world, timeout=1).begin()
    async with tried.waiting() as waiting:
        await let_time_pass(1.2)  # for the old one to stop
        assert not waiting.done()
        await tried.started()
        await tried.links()
    world.hive.links.forget(tried.deploy.agent_id, 0.0)
    assert await tried.fails() == "not healthy within 1 s"


async def test_a_start_that_never_is_carried_out(
    tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_gate, "START_SECONDS", 0.1)
    assert await tried.fails() == "not started within 0.1 s"


# --- live ---


async def test_settings_alone_are_in_force_when_the_harness_says_so(world: World) -> None:
    tried = await Tried(world, live=True).begin()
    await tried.links(version=1)
    async with tried.waiting():
        await tried.links()


async def test_settings_alone_have_a_short_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_gate, "LIVE_SECONDS", 0.2)
    tried = await Tried(world, live=True, timeout=1).begin()
    await tried.links(version=1)
    assert await tried.fails() == "not healthy within 0.2 s"


async def test_one_that_is_not_linked_yet_has_the_time_of_a_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_gate, "LIVE_SECONDS", 0.05)
    tried = await Tried(world, live=True).begin()
    async with tried.waiting():
        await tried.links()


async def test_what_is_stopped_passes(world: World) -> None:
    tried = await Tried(world, live=True).begin()
    await world.save("bob", wanted="stopped")
    await tried.passes()


@pytest.mark.parametrize(
    ("changes", "healthy", "can"),
    [
        ({}, True, True),
        ({}, None, True),
        ({}, False, False),
        ({"quarantined": "5 crashes"}, True, False),
        ({"last_end": RunEnd("crash", 1, 0.0, True, OLD)}, True, False),
        ({"last_end": RunEnd("clean", 0, 0.0, False, "an older one")}, True, True),
    ],
)
async def test_who_can_take_settings_over(
    tried: Tried, changes: dict[str, object], healthy: bool | None, can: bool
) -> None:
    bob = await tried.world.agent("bob")
    assert tried.gate.can_take_over(bob)  # not linked again after a start of the service
    await tried.links(healthy=healthy)
    changed: Agent = replace(bob, **changes)  # type: ignore[arg-type]  # of several types
    assert tried.gate.can_take_over(changed) is can
