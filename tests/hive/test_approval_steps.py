"""How many requests are let, by a clock that people may set."""

import pytest

from hyperhive.hive import approval_steps
from hyperhive.protocol.errors import RateLimited
from hyperhive.protocol.verbs import RequestSpawn
from tests.hive.world import World


async def test_a_clock_that_is_set_back_keeps_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval_steps, "MAX_HOURLY", 1)
    manager = await world.sender("manager")
    ask = world.hive.approvals.request_spawn
    await ask(manager, RequestSpawn(name="one", key="one"))
    world.clock.wall -= 86_400.0
    await ask(manager, RequestSpawn(name="two", key="two"))
    with pytest.raises(RateLimited):
        await ask(manager, RequestSpawn(name="three", key="three"))
