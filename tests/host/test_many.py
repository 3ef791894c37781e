"""Twenty agents at once: each is started once, and the service may go and come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hyperhive.admin.client import AdminClient
from nested.host import NestedHost
from tests.host.hosted import Hosted, hosted
from tests.host.remains import Remains, converged, remains
from tests.host.watching import of, operations_over, watching
from tests.support.wait import wait_for

NAMES = [f"a{number}" for number in range(20)]
ALL = frozenset(NAMES)


async def test_twenty_agents(nested: NestedHost, say: Callable[[str], None]) -> None:
    with hosted(nested, {}) as hive:
        async with hive.admin() as client, watching(client) as watch:
            begun = time.monotonic()
            await asyncio.gather(*(client.call("spawn", name=name) for name in NAMES))
            await wait_for(lambda: all_linked(client), 300.0, "twenty links")
            say(f"20 agents linked in {time.monotonic() - begun:.1f} s")
            assert not [e for e in watch.events if e["kind"] in ("crash", "start_failed")]
            # Each tries out its Claude Code at first, which two cores need long for.
            await wait_for(lambda: all_linked(client, "idle"), 200.0, "twenty that are ready")
            say(f"20 agents ready for a turn in {time.monotonic() - begun:.1f} s")
            started = [e["agent"] for e in watch.events if of(e, e["agent"] or "", "started")]
            assert sorted(started) == sorted(NAMES), "each once"
            await converged(client, hive, Remains(ALL, ALL, ALL), 10.0)
        before = runs(hive)
        begun = time.monotonic()
        hive.host.run(["systemctl", "restart", "hyperhive"])
        ready = time.monotonic()
        async with hive.admin() as client:
            await wait_for(lambda: all_linked(client), 10.0, "twenty links")
            relinked = time.monotonic()
            say(f"restarted in {ready - begun:.1f} s, all links {relinked - ready:.1f} s later")
            assert runs(hive) == before
            begun = time.monotonic()
            await asyncio.gather(*(client.call("kill", name=name) for name in NAMES))
            await operations_over(client, 120.0)
            say(f"20 agents stopped in {time.monotonic() - begun:.1f} s")
            assert remains(hive) == Remains(frozenset(), ALL, ALL)
            await asyncio.gather(*(client.call("destroy", name=n, purge=True) for n in NAMES))
            await operations_over(client, 120.0)
            assert remains(hive) == Remains(frozenset(), frozenset(), frozenset())


async def all_linked(client: AdminClient, state: str = "") -> bool:
    agents = (await client.call("agents"))["agents"]
    return {a["name"] for a in agents if a["linked"] and state in ("", a["state"])} >= ALL


def runs(hive: Hosted) -> dict[str, Any]:
    known = ("InvocationID", "MainPID")
    return {name: (hive.unit(name, *known), hive.leader(name)) for name in NAMES}
