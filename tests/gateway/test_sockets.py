"""Sockets from spawn to destroy, over restarts of the gateway, and the hints that go down."""

import asyncio
import contextlib
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperhive.gateway.sockets import Gateway
from hyperhive.harness import link as harness
from hyperhive.hive import hive as rules
from hyperhive.hive.ports import AgentSockets
from hyperhive.protocol.answers import Welcome
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Unavailable
from tests.gateway.client import Refused
from tests.gateway.test_line import HELLO
from tests.gateway.test_link import end_of
from tests.gateway.world import World, policy, running
from tests.support.wait import wait_for


async def test_one_directory_and_one_socket_for_each_agent(world: World) -> None:
    sockets: AgentSockets = world.gateway
    await sockets.open(await world.agent("alice"))  # again is harmless
    found = sorted(str(path.relative_to(world.directory)) for path in world.directory.rglob("*"))
    assert found == [
        *("alice", "alice/hive.sock", "bob", "bob/hive.sock", "manager", "manager/hive.sock")
    ]
    assert stat.filemode((world.directory / "alice").stat().st_mode) == "drwx--x--x"
    assert stat.filemode(world.socket("alice").stat().st_mode) == "srw-rw-rw-"


async def test_a_destroyed_agents_directory_goes(world: World) -> None:
    async with world.client("alice").raw_link() as ws:
        await ws.send_json(HELLO)
        await wait_for(lambda: "alice" in world.gateway.linked())
        await world.gateway.close("alice")
        assert (await end_of(ws))[0] == 1001
    assert not (world.directory / "alice").exists()
    await world.gateway.close("alice")  # again is harmless
    await world.gateway.close("never-was")
    assert not world.gateway.push("alice", "mail")
    await world.gateway.open(await world.agent("alice"))
    assert (await world.client("alice").call("whoami"))["name"] == "alice"


async def test_the_name_of_an_agent_that_is_gone_serves_its_successor(world: World) -> None:
    """Identity is the row, not the name."""
    agent = await world.agent("bob")
    async with world.client("bob").link() as old:
        await world.gateway.open(replace(agent, id=(await world.agent("alice")).id))
        await old.ended()
    assert (await world.client("bob").call("whoami"))["name"] == "alice"


async def test_what_is_in_the_way_is_not_followed(world: World, tmp_path: Path) -> None:
    await world.gateway.close("alice")
    (world.directory / "alice").symlink_to(tmp_path)
    with pytest.raises(Unavailable, match="not a directory of ours"):
        await world.gateway.open(await world.agent("alice"))
    assert not (tmp_path / "hive.sock").exists()


async def test_a_path_that_is_too_long_is_refused_clearly(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="AF_UNIX path too long"):
        async with running(tmp_path, tmp_path / ("x" * 100)):
            pass


class Listener:
    """Of the harness's own link."""

    turn = None

    def __init__(self) -> None:
        self.welcomes: list[Welcome] = []
        self.pushes: list[tuple[str, dict[str, Any]]] = []

    def welcome(self, welcome: Welcome) -> None:
        self.welcomes.append(welcome)

    def push(self, push: str, data: Any) -> None:
        self.pushes.append((push, dict(data)))


@contextlib.asynccontextmanager
async def harness_link(socket: Path) -> Any:
    listener = Listener()
    link = harness.Link(socket, "instance-of-a-test", listener)
    task = asyncio.create_task(link.run())
    try:
        yield link, listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_live_harness_finds_a_restarted_gateway(tmp_path: Path, socket_dir: Path) -> None:
    """The directory is the same inode before and after, as a bind mount needs it."""
    async with running(tmp_path, socket_dir) as world:
        inode = (world.directory / "alice").stat().st_ino
        async with harness_link(world.socket("alice")) as (link, listener):
            await wait_for(lambda: len(listener.welcomes) == 1)
            for number in range(3):
                await restart(world)
                sent = await link.request("send", {"to": "bob", "body": "x", "key": "k"}, 10)
                assert sent["id"] == 1
                assert len(listener.welcomes) == number + 2
        assert (world.directory / "alice").stat().st_ino == inode
    assert (socket_dir / "alice" / "hive.sock").exists()


async def restart(world: World) -> None:
    """Another gateway takes the place of the one that runs, as in another process."""
    old = world.gateway
    await old.__aexit__(None, None, None)
    assert world.socket("alice").exists()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_unix_connection(str(world.socket("alice")))
    world.gateway = Gateway(
        world.hive,
        world.directory,
        old._peer_allowed,
        old._verbs._logs,
        world.model,
        world.egress,
    )
    await world.open_all()


async def test_hints_go_down_the_link(world: World) -> None:
    async with harness_link(world.socket("alice")) as (_, listener):
        await wait_for(lambda: listener.welcomes)
        assert list(world.gateway.linked()) == ["alice"]
        await world.client("bob").call("send", to="alice", body="x", key="k")
        await wait_for(lambda: listener.pushes == [("mail", {})])
        assert world.gateway.push("alice", "cancel", {"turn": "turn-0001"})
        assert world.gateway.push("alice", "new_session")
        await wait_for(lambda: len(listener.pushes) == 3)
        assert listener.pushes[1:] == [("cancel", {"turn": "turn-0001"}), ("new_session", {})]
    assert not world.gateway.push("bob", "mail")
    assert not world.gateway.push("nobody", "mail")


async def test_new_settings_are_pushed_with_their_version(world: World) -> None:
    async with harness_link(world.socket("alice")) as (_, listener):
        await wait_for(lambda: listener.welcomes)
        alice = replace(policy().declared["alice"], settings=AgentSettings(prompt="dig"))
        changed = rules.build(world.hive.store, world.clock, policy(alice=alice), "api_key")
        await changed.declarations.apply()
        await wait_for(lambda: listener.pushes)
        ((push, data),) = listener.pushes
        assert (push, data["settings_version"], data["settings"]["prompt"]) == (
            "settings",
            2,
            "dig",
        )


async def test_requests_under_way_end_with_the_gateway(world: World) -> None:
    waiting = asyncio.create_task(
        world.client("alice").call("recv", instance="instance-x", wait_seconds=180)
    )
    await wait_for(lambda: world.hive.bells._bells)
    await world.gateway.close("alice")
    with pytest.raises((Refused, OSError, Exception)):
        await waiting
    assert not world.hive.bells._bells
