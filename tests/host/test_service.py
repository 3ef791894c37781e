"""The service as a unit: agents in containers, from start to stop, and over its own restarts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nested.host import NestedHost
from tests.host.hosted import Hosted, hosted, linked, start
from tests.support.wait import wait_for


@pytest.fixture
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with hosted(nested, {"alice": {}, "bob": {}}) as running:
        yield running


async def test_an_agent_runs_in_a_container_of_its_own(hive: Hosted) -> None:
    async with hive.admin() as client:
        await start(client, "alice")
        await start(client, "bob")
        assert hive.machines() == {"h-alice", "h-bob"}
        bases = {hive.launch(name)["uid_base"] for name in ("alice", "bob")}
        assert len(bases) == 2
        await client.call("kill", name="alice")
        await wait_for(lambda: hive.machines() == {"h-bob"}, 20.0, "one machine")


async def test_agents_outlive_the_service(hive: Hosted) -> None:
    async with hive.admin() as client:
        await start(client, "alice")
    before = hive.unit("alice", "InvocationID", "MainPID")
    hive.stop()
    assert hive.machines() == {"h-alice"}
    hive.start()
    async with hive.admin() as client:
        await wait_for(lambda: linked(client, "alice"), 30.0, "alice's link")
    assert hive.unit("alice", "InvocationID", "MainPID") == before
