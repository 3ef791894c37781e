"""What a manager may order about what agents are built from."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.hive.ports import Transaction
from tests.gateway.client import Refused
from tests.gateway.world import World, policy, running
from tests.store.given import StepClock
from tests.support.workshop import open_fake_workshop


@pytest.fixture
async def built(tmp_path: Path, socket_dir: Path) -> AsyncIterator[World]:
    """Nothing carries deploys out here."""
    workshop = open_fake_workshop(tmp_path / "applied", StepClock())
    rules = replace(policy(), built=True)
    async with running(tmp_path, socket_dir, rules, workshop=workshop) as world:
        yield world


async def test_an_update_is_ordered_once(built: World) -> None:
    bob = await built.agent("bob")

    def deployed(tx: Transaction) -> None:
        deploy = tx.deploys.add("declare", bob.id, "bob", "c" * 40, "system", 0.0)
        tx.deploys.save(replace(deploy, state="done", ended_at=1.0))
        tx.agents.save(replace(bob, deploy=deploy.id))

    await built.hive.store.write(deployed)
    manager = built.client("manager")
    assert [a["needs_update"] for a in await manager.call("list_agents")] == [False] * 3
    order = await manager.call("update", agent="bob")
    assert (order["agent"], order["kind"], order["state"]) == ("bob", "update", "queued")
    assert (order["actor"], order["commit"]) == ("manager", "c" * 40)
    with pytest.raises(Refused) as refused:
        await manager.call("update", agent="bob")
    assert refused.value.error["code"] == "conflict"


async def test_what_is_not_there_is_not_told_apart(built: World) -> None:
    with pytest.raises(Refused) as refused:
        await built.client("manager").call("update", agent="nobody")
    assert refused.value.error["code"] == "forbidden"
    with pytest.raises(Refused) as refused:
        await built.client("manager").call("update", agent="alice")
    assert refused.value.error["message"] == "alice has no configuration yet"


async def test_where_nothing_is_built_that_is_said(world: World) -> None:
    with pytest.raises(Refused) as refused:
        await world.client("manager").call("update", agent="bob")
    assert refused.value.error["code"] == "unavailable"
    assert "agents are not built here" in refused.value.error["message"]
