"""Terminals in real containers, also in one that is frozen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from nested.host import NestedHost
from tests.host.driving import Driven, Refused, driven
from tests.host.hosted import Hosted
from tests.support.wait import wait_for

HARNESS = f"{sys.executable} -I -m hyperhive.harness run"
ALICE = "hyperhive-agent@alice.service"


@pytest.fixture
async def adapter(nested: NestedHost) -> AsyncIterator[Driven]:
    hive = Hosted(nested)
    hive.wipe()
    async with driven(nested) as made:
        await made.call("start", "alice")
        yield made
        await made.call("stop_all")
    hive.wipe()


@pytest.mark.parametrize("user", ["agent", "root"])
async def test_a_shell_of_the_user_in_the_containers_own_uids(
    adapter: Driven, nested: NestedHost, user: str
) -> None:
    before = await adapter.call("descriptors")
    shown = await adapter.call("shell", "alice", user, "id -un; cat /proc/self/uid_map; stty size")
    lines = [line.strip() for line in shown.splitlines()]
    base = Hosted(nested).launch("alice")["uid_base"]
    assert user in lines
    assert ["0", str(base), "65536"] in [line.split() for line in lines]
    assert "30 100" in lines
    assert await adapter.call("descriptors") == before


async def test_the_end_of_the_shell_is_the_end_of_what_is_read(adapter: Driven) -> None:
    before = await adapter.call("descriptors")
    assert "exit" in await adapter.call("shell_to_its_end", "alice")
    assert await adapter.call("descriptors") == before


async def test_closing_hangs_up_what_ran_in_it(adapter: Driven, nested: NestedHost) -> None:
    await adapter.call("shell", "alice", "agent", "sleep 4242 & disown")
    find = ["pgrep", "--full", "--exact", "sleep 4242"]
    await wait_for(lambda: not nested.run(find, check=False).stdout, 10, "its end")


DEAF = "trap '' HUP TERM INT; (setsid sleep 4243 &); sleep 4243; sleep 4243"


@pytest.mark.parametrize("user", ["agent", "root"])
async def test_closing_ends_a_shell_that_ignores_it_and_no_other(
    adapter: Driven, nested: NestedHost, user: str
) -> None:
    def pids(command: str) -> list[str]:
        find = ["pgrep", "--full", "--exact", command]
        return nested.run(find, check=False).stdout.split()

    harness = pids(HARNESS)
    deaf, other = [
        await adapter.call("open_shell", "alice", user, command) for command in (DEAF, "sleep 4244")
    ]
    await wait_for(lambda: len(pids("sleep 4243")) == 2 and pids("sleep 4244"), 10, "both")
    await adapter.call("close_shell", deaf)
    await wait_for(lambda: not pids("sleep 4243"), 5, "its end")
    assert len(pids("sleep 4244")) == 1
    assert pids(HARNESS) == harness != []
    await adapter.call("close_shell", other)
    await wait_for(lambda: not pids("sleep 4244"), 5, "its end")


async def test_keys_are_the_shells(adapter: Driven) -> None:
    """Also those that would end what started it."""
    keys = "kill -INT $PPID; kill -QUIT $PPID; kill -TSTP $PPID"
    shown = await adapter.call("shell", "alice", "agent", f"{keys}; echo st''ill here")
    assert "still here" in shown


async def test_the_end_of_the_agent_is_that_of_its_terminals(adapter: Driven) -> None:
    """Also where nobody reads what they wrote."""
    shell = await adapter.call("open_shell", "alice", "agent", "yes")
    ended = asyncio.create_task(adapter.call("over", shell))
    await adapter.call("stop", "alice")
    await asyncio.wait_for(ended, 5)
    await adapter.call("close_shell", shell)


@pytest.mark.parametrize("user", ["hyperhive", "nobody"])
async def test_no_shell_of_another_user(adapter: Driven, user: str) -> None:
    with pytest.raises(Refused) as refused:
        await adapter.call("shell", "alice", user, "id")
    assert refused.value.code == "denied"


async def test_no_shell_without_its_container(adapter: Driven) -> None:
    with pytest.raises(Refused, match="bob does not run"):
        await adapter.call("shell", "bob", "agent", "id")


async def test_a_container_that_is_frozen_from_outside(adapter: Driven, nested: NestedHost) -> None:
    nested.run(["systemctl", "freeze", ALICE])
    try:
        with pytest.raises(Refused, match="alice is frozen") as refused:
            await adapter.call("shell", "alice", "agent", "id")
        assert refused.value.seconds < 2
    finally:
        nested.run(["systemctl", "thaw", ALICE])
    assert "uid=1000" in await adapter.call("shell", "alice", "agent", "id")


async def test_one_that_freezes_itself_is_told_within_ten_seconds(
    adapter: Driven, nested: NestedHost
) -> None:
    before = await adapter.call("descriptors")
    group = Hosted(nested).unit("alice", "ControlGroup")["ControlGroup"]
    freezer = nested.path(f"/sys/fs/cgroup{group}/payload/cgroup.freeze")
    freezer.write_text("1")
    try:
        with pytest.raises(Refused, match="it may be stopped or overloaded") as refused:
            await adapter.call("shell", "alice", "agent", "id")
        assert refused.value.seconds < 10
        with pytest.raises(Refused, match="did not open a shell; wait") as again:
            await adapter.call("shell", "alice", "agent", "id")
        assert again.value.seconds < 1
        assert await adapter.call("running")
    finally:
        freezer.write_text("0")
    await adapter.call("stop", "alice")
    await adapter.call("start", "alice")
    assert "uid=1000" in await adapter.call("shell", "alice", "agent", "id")
    assert await adapter.call("descriptors") == before
