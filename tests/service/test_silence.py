"""A harness that hangs, or ends while nobody looks: it is told, and another one begun."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient
from hyperhive.protocol.wire import loads_object
from tests.service.conftest import agent_in, swarm_of
from tests.support.real_service import Swarm
from tests.support.wait import wait_for

pytestmark = pytest.mark.claude

TIME = 12


@pytest.fixture
def swarm(upstream: str) -> Iterator[Swarm]:
    """Each test its own: its agents do not end as others' do."""
    with swarm_of(upstream, healthTimeout=TIME) as made:
        yield made


async def crashes_told(admin: AdminClient) -> list[dict[str, Any]]:
    """What the manager was told of alice, oldest first."""
    flow = (await admin.call("messages", agent="manager"))["messages"]
    told = [loads_object(m["body"]) for m in flow if "container_crash" in m["body"]]
    return [body for body in reversed(told) if body["agent"] == "alice"]


async def test_a_harness_that_hangs_before_its_first_word(swarm: Swarm) -> None:
    async with swarm.admin as admin:
        await admin.call("start", name="alice")
        hung = await wait_for(lambda: swarm.harness_pids().get("alice"), 10)
        os.kill(hung, signal.SIGSTOP)

        async def problem() -> str:
            return str((await agent_in(admin, "alice", "starting", "idle"))["problem"])

        assert (
            await wait_for(problem, 30) == f"no word from its harness within {TIME} s; see its log"
        )
        await agent_in(admin, "alice", "idle", timeout=60)
        assert await problem() == ""
        assert swarm.harness_pids()["alice"] != hung
        (told,) = await crashes_told(admin)
        assert (told["reason"], told["attempt"]) == ("start_timeout", 1)
        assert told["note"].startswith("no word from its harness")
        await admin.call("kill", name="alice")


async def test_an_end_while_the_service_is_away(swarm: Swarm) -> None:
    async with swarm.admin as admin:
        await admin.call("start", name="alice")
        await agent_in(admin, "alice", "idle")
    await asyncio.to_thread(swarm.kill, signal.SIGTERM)
    os.kill(swarm.harness_pids()["alice"], signal.SIGTERM)
    await wait_for(lambda: "alice" not in swarm.harness_pids(), 20)
    for _ in range(2):
        swarm.start()
        await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
        async with swarm.admin as admin:
            await agent_in(admin, "alice", "idle")
            (told,) = await crashes_told(admin)
            assert (told["reason"], told["exit"]) == ("unknown", None)
        await asyncio.to_thread(swarm.kill, signal.SIGTERM)


async def test_ends_with_the_whole_hive_are_no_crashes(swarm: Swarm) -> None:
    async with swarm.admin as admin:
        await admin.call("start", name="alice")
        await agent_in(admin, "alice", "idle")
    await asyncio.to_thread(swarm.kill, signal.SIGINT)
    swarm.start()
    await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
    async with swarm.admin as admin:
        await agent_in(admin, "alice", "idle")
        assert await crashes_told(admin) == []
