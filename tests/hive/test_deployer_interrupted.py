"""What is removed while it is built, and a service that ends in the middle of it."""

import asyncio
import logging

import pytest

from tests.hive.building import Built
from tests.hive.moves import (
    Gate,
)

# --- removed meanwhile ---


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("step", ["evaluate", "build"])
async def test_what_is_removed_is_not_built_any_further(
    built: Built, caplog: pytest.LogCaptureFixture, step: str, purge: bool
) -> None:
    gate = Gate(built, f"{step} alice")
    async with built.serving():
        await gate.reached.wait()
        await built.hive.agents.destroy("alice", purge)
        over = await built.over()
        assert (over.state, over.error) == ("cancelled", "the agent was removed")
        assert gate.left == [f"{step} alice"]
        await built.hear("manager", "destroyed")
    assert not await built.git.exists("alice") if purge else await built.git.exists("alice")
    assert built.builds.forgotten == ["alice"] * purge
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_a_name_used_again_is_built_for_its_own_agent(built: Built) -> None:
    gate = Gate(built, "build alice")
    async with built.serving():
        await gate.reached.wait()
        built.builds.step = lambda _: asyncio.sleep(0)
        await built.hive.agents.destroy("alice", purge=True)
        await built.hear("manager", "destroyed")
        await built.hive.agents.spawn("alice")
        assert (await built.over(0)).state == "cancelled"
        deploy = await built.over(1)
        assert (deploy.state, deploy.agent_id) == ("done", (await built.agent("alice")).id)
        assert deploy.built is not None
        await built.keeps(running=deploy.built.bundle)


async def test_one_that_comes_back_is_built_then(built: Built) -> None:
    gate = Gate(built, "build alice")
    async with built.serving():
        await gate.reached.wait()
        await built.hive.agents.destroy("alice", purge=False)
        assert (await built.over()).state == "cancelled"
        built.builds.step = lambda _: asyncio.sleep(0)
        await built.hive.agents.revive("alice")
        assert (await built.over(1)).state == "done"
        await built.becomes("idle")


# --- a service that ends in the middle ---


@pytest.mark.parametrize("step", ["evaluate", "build"])
async def test_the_next_service_goes_on(built: Built, step: str) -> None:
    gate = Gate(built, f"{step} alice")
    async with built.serving():
        await gate.reached.wait()
    assert gate.left == [f"{step} alice"]
    begun = (await built.deploys())[0].begun_at
    built.builds.step = lambda _: asyncio.sleep(0)
    built.clock.pass_by(5)
    await built.again()
    async with built.serving():
        deploy = await built.over()
        assert (deploy.state, deploy.begun_at) == ("done", begun)
        await built.becomes("idle")
    assert await built.kinds() == ["declare done"]
    assert built.builds.history == ["evaluate alice", "build alice"]


async def test_what_another_host_evaluated_is_evaluated_again(built: Built) -> None:
    gate = Gate(built, "build alice")
    async with built.serving():
        await gate.reached.wait()
    built.builds.step = lambda _: asyncio.sleep(0)
    built.builds.host = "host-2"
    await built.again()
    async with built.serving():
        deploy = await built.over()
    assert deploy.built is not None
    assert (deploy.state, deploy.built.host) == ("done", "host-2")
    assert built.builds.history == ["evaluate alice", "evaluate alice", "build alice"]
    assert (await built.shown())["needs_update"] is False


async def test_what_runs_is_kept_if_the_service_ended_before_it_was(built: Built) -> None:
    async with built.serving():
        deploy = await built.over()
        assert deploy.built is not None
        await built.keeps(running=deploy.built.bundle)
    built.builds.kept.clear()
    await built.again()
    async with built.serving():
        await built.keeps(running=deploy.built.bundle)
    assert await built.kinds() == ["declare done"]


async def test_what_a_deploy_needs_that_goes_on_is_not_let_go_of(built: Built) -> None:
    async with built.serving():
        assert (await built.over()).state == "done"
    built.builds.kept.clear()
    await built.again()
    gate = Gate(built, "build alice")
    await built.hive.need_deploying().deploys.update("alice")
    async with built.serving():
        await gate.reached.wait()
        assert built.builds.kept == {}
        gate.opened.set()
        assert (await built.over(1)).state == "done"
