"""What there is of agents on a nested host: to be compared with what should be there."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from hyperhive.admin.client import AdminClient
from tests.host.hosted import RUN, STATE, Hosted
from tests.host.watching import operations_over
from tests.support.wait import let_time_pass

FIND = ["find", "-mindepth", "1", "-maxdepth", "1", "-printf", "%f\n"]
UNITS = ["hyperhive-agent@*", "hyperhive-purge@*"]


@dataclass(frozen=True)
class Remains:
    """Names of agents, under each kind of thing that an agent has."""

    running: frozenset[str]
    """Whose container runs, each exactly once."""
    kept: frozenset[str]
    """Whose files are there."""
    launched: frozenset[str]
    """Whom the launcher's directory knows."""
    odd: tuple[str, ...] = ()
    """What should never be there."""


def remains(hive: Hosted) -> Remains:
    kept, trash = _names(hive, f"{STATE}/agents"), _names(hive, f"{STATE}/trash")
    launched = {name.removesuffix(".json") for name in _names(hive, f"{RUN}/launch")}
    machines = {name.removeprefix("h-") for name in hive.machines()}
    odd = [f"trash: {name}" for name in trash]
    odd += [f"hidden: {name}" for name in launched | kept if name.startswith(".")]
    odd += _mounts(hive) + units_left(hive, machines, kept) + _containers(hive, machines)
    odd += _limits(hive, kept | launched)
    if hive.host.run(["flock", "--nonblock", f"{STATE}/agents", "true"], check=False).returncode:
        odd.append("a lock")
    return Remains(frozenset(machines), frozenset(kept), frozenset(launched), tuple(odd))


async def converged(client: AdminClient, hive: Hosted, wanted: Remains, seconds: float) -> None:
    """Waits until no operation is under way and things are as they should be."""
    until = time.monotonic() + seconds
    await operations_over(client, seconds)
    while (found := remains(hive)) != wanted and time.monotonic() < until:
        await let_time_pass(0.1)  # a look takes some ten processes
    assert found == wanted, found


def _names(hive: Hosted, directory: str) -> set[str]:
    return set(hive.host.run([FIND[0], directory, *FIND[1:]]).stdout.splitlines())


def _mounts(hive: Hosted) -> list[str]:
    """On the host itself: what the launcher mounts is for its own unit alone."""
    lines = hive.host.path("/proc/1/mountinfo").read_text().splitlines()
    points = [line.split(" ")[4] for line in lines]
    return [f"mount: {p}" for p in points if p.startswith((f"{RUN}/", f"{STATE}/agents"))]


def units_left(hive: Hosted, machines: Iterable[str], kept: Iterable[str] = ()) -> list[str]:
    """Loaded units that should not be: each is of a machine, or says how the last run failed."""
    show = ["systemctl", "list-units", "--all", "--plain", "--no-legend", *UNITS]
    rows = [line.split() for line in hive.host.run(show).stdout.splitlines()]
    right = {(_unit(name), "running") for name in machines}
    right |= {(_unit(name), "failed") for name in kept}
    odd = [row for row in rows if (row[0], row[3]) not in right]
    return [f"unit: {' '.join(row[:4])}" for row in odd]


def _unit(name: str) -> str:
    return f"hyperhive-agent@{name}.service"


def _containers(hive: Hosted, machines: Iterable[str]) -> list[str]:
    """A second container of an agent, or one of none."""
    ps = ["ps", "-C", "systemd-nspawn", "-o", "args="]
    lines = hive.host.run(ps, check=False).stdout.splitlines()
    found = sorted(a for line in lines for a in line.split() if a.startswith("--machine="))
    wanted = sorted(f"--machine=h-{name}" for name in machines)
    return [] if found == wanted else [f"containers: {' '.join(found)}"]


def _limits(hive: Hosted, known: Iterable[str]) -> list[str]:
    """Drop-ins with the limits of agents that are gone for good."""
    directory = "/run/systemd/system.control"
    if not hive.host.path(directory).exists():
        return []
    right = {f"hyperhive-agent@{name}.service.d" for name in known}
    return [f"limits: {name}" for name in _names(hive, directory) - right]
