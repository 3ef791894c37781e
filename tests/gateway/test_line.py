"""Hello: wrong in every field, the wrong version, too late, and the newest that wins."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hyperhive.gateway.limits import Limits
from hyperhive.hive.records import Agent
from hyperhive.protocol.link import INVALID, SUPERSEDED
from tests.gateway.client import Refused
from tests.gateway.test_link import end_of, greet
from tests.gateway.world import World, running
from tests.support.wait import wait_for

HELLO: dict[str, Any] = {
    "type": "hello",
    "protocol": 1,
    "instance": "instance-of-a-test",
    "turn": None,
    "version": "1",
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "request"}, "invalid_field: type"),
        ({"type": None}, "invalid_field: type"),
        ({"protocol": ...}, "invalid_field: protocol"),
        ({"protocol": "1"}, "invalid_field: protocol"),
        ({"protocol": 0}, "invalid_field: protocol"),
        ({"protocol": True}, "invalid_field: protocol"),
        ({"protocol": 2}, "unsupported: protocol: the host speaks version 1, not 2"),
        ({"instance": ...}, "invalid_field: instance"),
        ({"instance": "short"}, "invalid_field: instance"),
        ({"instance": "x" * 65}, "invalid_field: instance"),
        ({"instance": "UPPER-CASE"}, "invalid_field: instance"),
        ({"instance": "with\n-newline"}, "invalid_field: instance"),
        ({"instance": 12345678}, "invalid_field: instance"),
        ({"turn": "short"}, "invalid_field: turn"),
        ({"turn": 1}, "invalid_field: turn"),
        ({"version": None}, "invalid_field: version"),
        ({"version": "x" * 101}, "invalid_field: version"),
        ({"agent": "manager"}, "invalid_field: agent"),
    ],
)
async def test_a_wrong_hello_is_refused_with_its_field_and_stores_nothing(
    world: World, change: dict[str, Any], reason: str
) -> None:
    before = world.dump()
    async with world.client("alice").raw_link() as ws:
        frame = {k: v for k, v in (HELLO | change).items() if v is not ...}
        await ws.send_str(json.dumps(frame))
        code, text = await end_of(ws)
        assert code == INVALID
        assert text.startswith(reason)
    assert world.dump() == before
    assert list(world.gateway.linked()) == []


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"type": "heartbeat"}'])
async def test_what_is_no_hello_at_all(world: World, text: str) -> None:
    async with world.client("alice").raw_link() as ws:
        await ws.send_str(text)
        assert (await end_of(ws))[0] == INVALID
    async with world.client("alice").raw_link() as ws:
        await ws.send_bytes(text.encode())
        assert (await end_of(ws))[0] == INVALID


async def test_a_hello_must_come_soon(tmp_path: Path, socket_dir: Path) -> None:
    async with (
        running(tmp_path, socket_dir, limits=Limits(hello_seconds=0.1)) as world,
        world.client("alice").raw_link() as ws,
    ):
        assert await end_of(ws) == (INVALID, "invalid_frame: no hello within 0.1 s")


async def test_leaving_before_hello_is_no_matter(world: World) -> None:
    async with world.client("alice").raw_link():
        pass
    async with world.client("alice").link() as link:
        assert link.welcome["settings_version"] == 1


async def test_the_newest_hello_wins(world: World) -> None:
    client = world.client("alice")
    async with client.raw_link() as old, client.raw_link() as new:
        await greet(old)
        await old.send_json({"type": "request", "id": 1, "verb": "recv", "args": WAIT})
        await new.send_json(HELLO | {"instance": "the-newer-instance"})
        assert await end_of(old) == (SUPERSEDED, "a newer link took over")
        assert json.loads((await new.receive()).data)["type"] == "welcome"
        assert list(world.gateway.linked()) == ["alice"]
        presence = world.hive.links.get((await world.agent("alice")).id)
        assert presence is not None
        assert presence.instance == "the-newer-instance"


WAIT = {"wait_seconds": 60}


async def test_the_same_instance_may_come_again_before_its_old_link_is_gone(world: World) -> None:
    client, instance = world.client("alice"), "instance-of-a-test"
    async with client.raw_link() as old:
        await greet(old)
        async with client.link(instance) as new:
            assert (await end_of(old))[0] == SUPERSEDED
            presence = world.hive.links.get((await world.agent("alice")).id)
            assert presence is not None
            assert presence.instance == instance
            await new.call("self_check", ok=True)
            assert presence.healthy


async def test_fifty_hellos_at_once_leave_one_link(world: World) -> None:
    client = world.client("alice")
    codes: list[int | None] = []

    async def come(number: int) -> None:
        async with client.raw_link() as ws:
            await ws.send_json(HELLO | {"instance": f"instance-{number}"})
            while (await ws.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
                pass
            codes.append(ws.close_code)

    async with asyncio.timeout(20):
        tasks = [asyncio.create_task(come(number)) for number in range(50)]
        await wait_for(lambda: len(codes) == 49, 15)
        assert codes == [SUPERSEDED] * 49
        await wait_for(lambda: list(world.gateway.linked()) == ["alice"])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_destroyed_agent_gets_no_link(world: World) -> None:
    await world.hive.agents.destroy("alice", purge=False)
    async with world.client("alice").raw_link() as ws:
        await ws.send_json(HELLO)
        code, reason = await end_of(ws)
        assert (code, reason.partition(":")[0]) == (INVALID, "forbidden")


async def test_a_turn_is_adopted_by_the_instance_that_has_it(world: World) -> None:
    instance = "instance-of-a-test"
    await world.client("bob").call("send", to="alice", body="work", key="k1")
    async with world.client("alice").link(instance) as link:
        await link.call("self_check", ok=True)
        await link.call("turn_begin", turn="turn-0001")
    async with world.client("alice").link(instance, turn="turn-0001") as link:
        assert link.welcome["turn"] == "turn-0001"
        await link.call("turn_end", turn="turn-0001", result="clean")
    async with world.client("alice").link("another-instance", turn="turn-0001") as link:
        assert link.welcome["turn"] is None
        with pytest.raises(Refused):
            await link.call("turn_end", turn="turn-0001", result="failed")


async def test_presence_follows_the_link(world: World) -> None:
    agent: Agent = await world.agent("alice")
    async with world.client("alice").link():
        assert world.hive.links.get(agent.id) is not None
    await wait_for(lambda: world.hive.links.get(agent.id) is None)
    events = await world.hive.store.read(lambda tx: tx.events.after(0, 100, "alice"))
    assert [e.data["link"] for e in events if "link" in e.data] == ["up", "down"]
