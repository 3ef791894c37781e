"""What the configuration declares, and what the operator decided about it since."""

import pytest

from hyperhive.protocol.errors import Conflict, NotFound
from tests.hive.crash_points import recover
from tests.hive.world import MANAGER, WORKER, World, policy


async def names(world: World) -> list[str]:
    agents = await world.read(lambda tx: tx.agents.all())
    return [a.name for a in agents if a.state == "present"]


async def absent(world: World) -> list[str]:
    return await world.read(world.hive.declarations.absent)


async def test_a_declared_agent_that_the_operator_destroyed_stays_so(world: World) -> None:
    assert await absent(world) == []
    await world.hive.agents.destroy("bob", purge=False)
    await recover(world)
    await recover(world)
    bob = await world.agent("bob")
    assert (bob.state, bob.wanted, bob.retired_by) == ("tombstone", "stopped", "operator")
    assert await absent(world) == ["bob is declared, but was destroyed: revive it to have it back"]
    assert "bob" not in world.runtime.runs


async def test_the_operators_word_outlives_a_change_of_the_configuration(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    await world.again(policy(declared={"manager": MANAGER}))
    await world.again(policy())
    assert await names(world) == ["manager", "alice"]  # alice came back: nobody destroyed her


async def test_one_revived_is_as_the_configuration_says_now(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    await world.again()
    await world.hive.agents.revive("bob")
    await recover(world)
    bob = await world.agent("bob")
    assert (bob.state, bob.wanted, bob.origin, bob.retired_by) == (
        "present",
        "running",
        "declared",
        None,
    )
    assert "bob" in world.runtime.runs
    assert await absent(world) == []


async def test_a_declared_agent_that_was_purged_does_not_come_back(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=True)
    await recover(world)
    await recover(world)
    assert await names(world) == ["manager", "alice"]
    assert await absent(world) == ["bob is declared, but was purged: spawn it to begin anew"]
    await world.hive.agents.spawn("bob")
    await recover(world)
    assert (await world.agent("bob")).origin == "declared"
    assert await absent(world) == []


async def test_one_declared_anew_after_its_purge_is_a_new_agent(world: World) -> None:
    before = await world.id("bob")
    await world.hive.agents.destroy("bob", purge=True)
    await recover(world)
    await world.again(policy(declared={"manager": MANAGER, "alice": WORKER}))
    await world.again(policy())
    assert (await world.agent("bob")).id != before


@pytest.mark.parametrize("purge", [False, True])
async def test_only_the_destroyed_are_revived(world: World, purge: bool) -> None:
    with pytest.raises(Conflict, match="bob is not destroyed"):
        await world.hive.agents.revive("bob")
    with pytest.raises(NotFound):
        await world.hive.agents.revive("nobody")
    await world.hive.agents.destroy("bob", purge)
    if purge:
        with pytest.raises(Conflict, match="bob is being purged"):
            await world.hive.agents.revive("bob")
        await recover(world)
        with pytest.raises(NotFound):
            await world.hive.agents.revive("bob")
