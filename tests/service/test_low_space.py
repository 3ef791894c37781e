"""A disk that gets full under a whole swarm: turns wait, agents stop, and all comes back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient
from tests.service.conftest import MODELS, agent_in, mail_from, turns_of
from tests.store.filesystems import make_ext4, mounted
from tests.support.real_service import Swarm, short_directory
from tests.support.wait import let_time_pass, wait_for

pytestmark = [pytest.mark.claude, pytest.mark.powercut]

SIZE = 256 * 2**20
LOOKS = 5.0
"""Seconds in which the guard looks at least twice."""


class Filler:
    """A file that leaves as much of its file system free as is asked for."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "filler"

    def leave(self, free: float) -> None:
        self._path.unlink(missing_ok=True)
        fs = os.statvfs(self._path.parent)
        size = (fs.f_bavail - int(free * fs.f_blocks)) * fs.f_frsize
        if size > 0:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)


@pytest.fixture
def swarm(upstream: str) -> Iterator[tuple[Swarm, Filler]]:
    """The agents' directories are on a small disk of their own."""
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(short_directory())
        image = stack.enter_context(short_directory()) / "image"
        make_ext4(image, SIZE)
        disk = stack.enter_context(mounted(image, root / "agents"))
        agent: dict[str, Any] = {"autoStart": False}
        options = {"models": MODELS, "defaultModel": "large", "helperModel": "small"}
        agents = {"manager": agent, "agents": {"alice": agent}, "upstream": upstream}
        made = Swarm(root, ("manager", "alice"), config={**options, **agents})
        made.prepare()
        made.start()
        stack.callback(made.end)
        made.wait_ready()
        yield made, Filler(disk)


async def notices(admin: AdminClient) -> list[str]:
    warnings: list[str] = (await admin.call("status"))["warnings"]
    return [w for w in warnings if "of the disk is free" in w]


async def told(admin: AdminClient, name: str) -> int:
    mail = (await admin.call("messages", limit=1_000))["messages"]
    return len([m for m in mail if m["to"] == name and '"storage_low"' in m["body"]])


async def last_end(admin: AdminClient) -> Any:
    return (await admin.call("agent", name="alice"))["last_end"]


async def stopped(swarm: Swarm) -> None:
    await wait_for(lambda: swarm.harness_pids() == {}, 30, "alice to be stopped")


async def test_turns_wait_and_agents_stop_until_there_is_room(
    swarm: tuple[Swarm, Filler],
) -> None:
    service, disk = swarm
    async with service.admin as admin:
        await admin.call("start", name="alice")
        await agent_in(admin, "alice", "idle")
        disk.leave(0.08)
        held = await agent_in(admin, "alice", "held")
        assert held["hold"]["reason"] == "storage_low"
        assert await notices(admin) == ["only 8% of the disk is free: no turn starts until 12% are"]
        await admin.call("send", to="alice", body="hello", key="space-1")
        await let_time_pass(LOOKS)
        assert await turns_of(admin, "alice") == []
        assert await told(admin, "operator") == await told(admin, "manager") == 1
        disk.leave(0.03)
        await stopped(service)
        end = await wait_for(lambda: last_end(admin), 10)
        assert (end["reason"], end["unexpected"]) == ("clean", False)
        alice = await agent_in(admin, "alice", "held")
        assert (alice["wanted"], alice["waiting"]) == ("running", 1)
    service.kill()
    disk.leave(0.11)
    service.start()
    service.wait_ready()
    async with service.admin as admin:
        await let_time_pass(LOOKS)
        assert service.harness_pids() == {}
        assert "agents are stopped" in (await notices(admin))[0]
        disk.leave(1.0)
        await mail_from(admin, "alice")
        await agent_in(admin, "alice", "idle")
        assert await notices(admin) == []
        flow = (await admin.call("messages", agent="alice"))["messages"]
        assert next(m for m in flow if m["from"] == "operator")["attempt"] == 1
        assert [t["state"] for t in await turns_of(admin, "alice")] == ["clean"]
