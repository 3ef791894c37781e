"""Service restarts under agents in long turns: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from hyperhive.admin.client import AdminClient
from tests.service.conftest import Running, agent_in, mail_from, swarm_of, turns_of
from tests.support.real_service import Swarm
from tests.support.wait import wait_for

pytestmark = pytest.mark.claude

WORKERS = ("alice", "bob")


@pytest.fixture
def swarm(upstream: str) -> Iterator[Swarm]:
    """Each test its own: a restarted service must end in the test that started it."""
    with swarm_of(upstream) as made:
        yield made


async def restart(swarm: Swarm, how: signal.Signals) -> None:
    await asyncio.to_thread(swarm.kill, how)
    swarm.start()
    await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")


async def put_to_sleep(admin: AdminClient, seconds: int) -> None:
    """Have every worker begin a turn of at least so many seconds."""
    for name in WORKERS:
        await admin.call("send", to=name, body=f"slow {seconds}", key=f"slow-{name}")
    for name in WORKERS:
        await agent_in(admin, name, "working", timeout=60)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "kill"])
async def test_a_turn_goes_on_over_a_restart(
    swarm: Swarm, running: Running, how: signal.Signals
) -> None:
    async with running(*WORKERS) as admin:
        await put_to_sleep(admin, 6)
        before = swarm.harness_pids()
        began = {name: (await turns_of(admin, name))[0]["id"] for name in WORKERS}
        await restart(swarm, how)
        assert swarm.harness_pids() == before
        for name in WORKERS:
            assert len(await mail_from(admin, name, timeout=60)) == 1
            await agent_in(admin, name, "idle")
            turns = await turns_of(admin, name)
            assert [(t["id"], t["state"]) for t in turns] == [(began[name], "clean")]
            flow = (await admin.call("messages", agent=name))["messages"]
            task = next(m for m in flow if m["from"] == "operator")
            assert (task["state"], task["attempt"]) == ("acked", 1)


async def test_mail_sent_while_agents_are_idle_wakes_them_after_a_restart(
    swarm: Swarm, running: Running
) -> None:
    async with running("alice") as admin:
        await restart(swarm, signal.SIGKILL)
        await admin.call("send", to="alice", body="hello", key="h-1")
        assert (await mail_from(admin, "alice"))[0]["body"] == "hello yourself"


async def test_ctrl_c_ends_the_agents_as_well(swarm: Swarm, running: Running) -> None:
    """And a start afterwards has them running again, as they were wanted."""
    async with running("alice") as admin:
        await asyncio.to_thread(swarm.kill, signal.SIGINT)
        assert swarm.harness_pids() == {}
        swarm.start()
        await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
        await agent_in(admin, "alice", "idle")
