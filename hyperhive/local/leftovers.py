"""What agents' commands leave behind: daemons, and all that a killed harness was running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from hyperhive.local import uids
from hyperhive.local.directories import Directories, Place
from hyperhive.local.processes import Process, descendants, end_all, kill_user
from hyperhive.protocol.errors import Unavailable

GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL."""

Family = frozenset[tuple[int, int]]


async def family(pid: int) -> Family:
    """What a harness has started and is still in its tree: taken before it is ended.

    Not needed where agents have uids of their own.
    """
    return frozenset() if uids.own_users() else await asyncio.to_thread(descendants, pid)


async def sweep(
    dirs: Directories, agents: Iterable[str], family: Family = frozenset(), *, quick: bool = False
) -> None:
    """End every process of these agents. Raises Unavailable when one outlives that.

    Where they run under our own uid, one that has left both its tree and its environment is not
    found; nor is, by a `quick` look, one that forks faster than it can be listed.
    """
    places = [place for name in agents if (place := dirs.find(name))]
    users = {place.uid for place in places if uids.is_agents(place.uid)}
    if not users:
        return
    finish = partial(_kill, users) if uids.own_users() and not quick else None
    if not await end_all(belonging(places, family), GRACE, finish):
        names = ", ".join(place.root.name for place in places)
        raise Unavailable(f"a process of {names} cannot be ended")


def belonging(places: list[Place], family: Family) -> Callable[[Process], bool]:
    """Says of a process whether it is one of these agents'."""
    if uids.own_users():
        return partial(_runs_as, {p.uid for p in places if uids.is_agents(p.uid)})
    return partial(_belongs_to, places, family)


def _runs_as(users: set[int], process: Process) -> bool:
    return not users.isdisjoint(process.uids)


def _belongs_to(places: list[Place], family: Family, process: Process) -> bool:
    home = process.environment.get("HOME")
    return any(home == str(p.home) for p in places) or (process.pid, process.started) in family


def _kill(users: set[int]) -> None:
    for uid in users:
        kill_user(uid)
