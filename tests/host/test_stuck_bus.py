"""A guest that stops the message bus in its container holds up nobody else for long."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from nested.host import NestedHost
from tests.host.hosted import Hosted, hosted, start
from tests.support.wait import wait_for

REFUSED_WITHIN = 12.0
BACK_WITHIN = 20.0


@pytest.fixture
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with hosted(nested, {"alice": {}, "bob": {}}) as running:
        yield running


async def test_a_shell_that_is_never_there(hive: Hosted, nested: NestedHost) -> None:
    async with hive.admin() as client:
        await start(client, "alice")
        await start(client, "bob")
        before = hive.unit("bob", "InvocationID")
        # The bus is started by the first shell; stopped, it takes connections and says nothing.
        nested.run(hive.inside("alice", ["systemctl", "start", "dbus.service"]))
        nested.run(hive.inside("alice", ["pkill", "-STOP", "dbus-daemon"]))
        begun = time.monotonic()
        shell = ["timeout", "60", "machinectl", "-q", "shell", "root@h-alice", "/bin/true"]
        refused = nested.run(shell, check=False, seconds=70)
        assert refused.returncode != 0
        assert time.monotonic() - begun < REFUSED_WITHIN
        begun = time.monotonic()
        await client.call("kill", name="bob")
        await wait_for(lambda: hive.machines() == {"h-alice"}, BACK_WITHIN, "bob's end")
        await start(client, "bob")
        assert time.monotonic() - begun < BACK_WITHIN
        assert hive.unit("bob", "InvocationID") != before
