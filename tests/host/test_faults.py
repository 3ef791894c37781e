"""What hyperhive stands on taken away while agents run and while it acts on them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from hyperhive.admin.client import AdminClient
from nested.host import NestedHost
from tests.host.hosted import Hosted, hosted, linked, start
from tests.host.remains import Remains, converged
from tests.host.watching import Watch, of, operations_over, view, watching
from tests.support.wait import let_time_pass, wait_for

CONVERGE = 10.0
"""Seconds."""
SYSTEMCTL = {
    "machined is restarted": "restart systemd-machined",
    "machined is killed": "kill --signal=KILL systemd-machined",
    "the bus is restarted": "restart dbus",
    "the bus is killed": "kill --signal=KILL dbus",
    "systemd is executed anew": "daemon-reexec",
    "systemd reads its units anew": "daemon-reload",
    "polkit is killed": "kill --signal=KILL polkit",
    "polkit is restarted": "restart polkit",
}
PAUSES = {
    "a start": 0.15,
    "a stop": 0.03,
    "a restart": 0.3,
    "its end": 0.0,
}
"""Seconds from the order to the fault."""


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    quick = {"restartDelaySeconds": 0.01, "crashLimit": 1000, "crashWindowSeconds": 5}
    runtime = {"kind": "nspawn", "defaultBundle": "/opt/hyperhive/bundles/default", **quick}
    with hosted(nested, {"steady": {}, "alice": {}}, runtime=runtime) as running:
        yield running


def fault(hive: Hosted, what: str) -> None:
    # What stands in for a fault must not look like a unit that keeps failing.
    hive.host.run(["systemctl", "reset-failed", "polkit", "dbus", "systemd-machined"], check=False)
    # A bus that goes takes systemctl's own answer with it.
    hive.host.run(["systemctl", *SYSTEMCTL[what].split()], check=False)


async def act(client: AdminClient, hive: Hosted, during: str) -> bool:
    """Begins what the fault is to meet; whether alice is to run afterwards."""
    if during == "a start":
        await client.call("kill", name="alice")
        await operations_over(client, 30.0)
        await client.call("start", name="alice")
    elif during == "a stop":
        await client.call("kill", name="alice")
    elif during == "a restart":
        await client.call("restart", name="alice")
    else:
        hive.host.run(["kill", "-KILL", hive.unit("alice", "MainPID")["MainPID"]])
    return during != "a stop"


@pytest.mark.parametrize("during", PAUSES)
@pytest.mark.parametrize("what", SYSTEMCTL)
async def test_it_comes_back_to_what_is_wanted(hive: Hosted, what: str, during: str) -> None:
    async with hive.admin() as client, watching(client) as watch:
        for name in ("steady", "alice"):
            await start(client, name)
        await operations_over(client, 30.0)
        steady = hive.unit("steady", "InvocationID", "MainPID")
        alice = hive.unit("alice", "InvocationID")
        service = hive.service("MainPID")
        acting = await act(client, hive, during)
        await let_time_pass(PAUSES[during])
        await asyncio.to_thread(fault, hive, what)
        running = {"steady", "alice"} if acting else {"steady"}
        known = frozenset({"steady", "alice"})
        await converged(client, hive, Remains(frozenset(running), known, known), CONVERGE)
        assert hive.unit("steady", "InvocationID", "MainPID") == steady
        assert hive.service("MainPID") == service
        assert crashed(watch, "steady") == []
        # A container cannot come up without bus or machined: what began meanwhile may have failed.
        assert crashed(watch, "alice").count(alice["InvocationID"]) == (during == "its end")
        if acting:
            assert hive.unit("alice", "InvocationID") != alice
        await works(client, hive)


def crashed(watch: Watch, name: str) -> list[str]:
    """Invocations."""
    return [e["data"]["invocation"] for e in watch.events if of(e, name, "crash")]


async def works(client: AdminClient, hive: Hosted) -> None:
    """Orders are carried out, each once."""
    await client.call("kill", name="alice")
    await operations_over(client, CONVERGE)
    assert hive.machines() == {"h-steady"}
    await client.call("start", name="alice")
    await operations_over(client, CONVERGE)
    assert hive.machines() == {"h-steady", "h-alice"}
    assert (await view(client, "alice"))["problem"] == ""
    for name in ("steady", "alice"):
        await wait_for(partial(linked, client, name), 20.0, f"{name}'s link")
