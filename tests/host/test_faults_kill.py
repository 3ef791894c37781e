"""The service killed in the middle of everything that it does to agents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import pytest

from hyperhive.admin.client import AdminClient
from nested.host import NestedHost
from tests.host.hosted import RUN, Hosted, hosted, linked
from tests.host.remains import Remains, converged
from tests.host.watching import operations_over, view
from tests.support.wait import let_time_pass, wait_for

CONVERGE = 10.0
"""Seconds from when systemd has the service active again: it is Type=notify, so until it has read
what there is and serves its sockets. Before that pass the second that systemd waits, and its start.
"""
KILLS = 12
LONGEST = 3.0
"""Seconds in which all the operations below are over when nothing disturbs them."""
NAMES = ("starting", "stopping", "restarting", "destroyed", "purged", "steady")
AFTER = Remains(
    running=frozenset({"starting", "restarting", "steady"}),
    kept=frozenset(NAMES) - {"purged"},
    launched=frozenset(NAMES) - {"purged"},
)
rng = random.Random(20)
DELAYS = [LONGEST * (number + rng.random()) / KILLS for number in range(KILLS)]


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with hosted(nested, {}) as running:
        yield running


async def prepare(client: AdminClient) -> None:
    """Everybody runs but `starting`, as before each kill."""
    agents = {a["name"]: a["state"] for a in (await client.call("agents"))["agents"]}
    for name in NAMES:
        if name not in agents or agents[name] == "purged":
            await client.call("spawn", name=name)
        elif agents[name] == "tombstone":
            await client.call("revive", name=name)
        elif name == "stopping":
            await client.call("start", name=name)
    await operations_over(client, 60.0)
    await client.call("kill", name="starting")
    await operations_over(client, 30.0)


async def begin(client: AdminClient) -> None:
    await client.call("start", name="starting")
    await client.call("kill", name="stopping")
    await client.call("restart", name="restarting")
    await client.call("destroy", name="destroyed")
    await client.call("destroy", name="purged", purge=True)


def runs(hive: Hosted) -> dict[str, str]:
    return {name: hive.unit(name, "InvocationID")["InvocationID"] for name in AFTER.running}


@pytest.mark.parametrize("delay", DELAYS, ids=lambda delay: f"{delay:.2f}s")
async def test_whatever_was_begun_is_finished(hive: Hosted, delay: float) -> None:
    async with hive.admin() as client:
        await prepare(client)
        before = runs(hive)
        await begin(client)
        await let_time_pass(delay)
        await killed(hive)
    async with hive.admin() as client:
        await converged(client, hive, AFTER, CONVERGE)
        after = runs(hive)
        assert after["steady"] == before["steady"]
        assert after["restarting"] != before["restarting"]
        names = {a["name"] for a in (await client.call("agents"))["agents"]}
        assert "purged" not in names
        for name in sorted(AFTER.running):
            await wait_for(partial(linked, client, name), 20.0, f"{name}'s link")
        assert runs(hive) == after  # nobody was started twice
        assert (await view(client, "starting"))["last_end"]["unexpected"] is False
    assert hive.host.path(f"{RUN}/service/agents/destroyed").exists() is False


async def killed(hive: Hosted) -> None:
    """Returns when the service is ready again, which systemd sees to."""
    first = hive.service("MainPID")["MainPID"]
    hive.kill()

    def again() -> bool:
        now = hive.service("ActiveState", "MainPID")
        return now["ActiveState"] == "active" and now["MainPID"] not in ("0", first)

    await wait_for(again, 20.0, "the service")
