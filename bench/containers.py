"""Agents in containers: how soon they are there, how soon an end is known, what they cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.result import Result, median, ms, percentile
from hyperhive.admin.client import AdminClient
from nested.__main__ import opened
from nested.host import NestedHost
from tests.host.hosted import Hosted, hosted
from tests.host.watching import Event, Watch, of, told, watching

CLONE = Path(__file__).parents[1]
PYTHON = CLONE / ".venv" / "bin" / "python"
STARTS = 12
CRASHES = 100
IDLE = 20
IDLE_SECONDS = 20.0
RUNTIME = {
    "kind": "nspawn",
    "defaultBundle": "/opt/hyperhive/bundles/default",
    "crashLimit": 1_000,
    "crashWindowSeconds": 1,  # or each restart would be put off for longer
    "restartDelaySeconds": 0.01,
}
BASE = 1_500_053_504
"""A uid range of the bare container: aligned, and not one that the launcher gives out first."""


async def run() -> list[Result]:
    """Needs root, and namespaces; see `./hive host`."""
    with opened(CLONE, str(PYTHON)) as host:
        names = ["alice", *(f"a{number}" for number in range(IDLE))]
        agents: dict[str, dict[str, object]] = {name: {} for name in names}
        with hosted(host, agents, runtime=RUNTIME) as hive:
            async with hive.admin() as client, watching(client) as watch:
                starts = await _starts(hive, client, watch)
                crashes = await _crashes(hive, client, watch)
                idle = await _idle(hive, client, watch)
    return [*starts, *crashes, *idle]


async def _starts(hive: Hosted, client: AdminClient, watch: Watch) -> list[Result]:
    """The peer: systemd-nspawn alone, with the same root, binds and programs inside."""
    hello, ready, bare = [], [], []
    with _bare(hive.host) as unit:
        for _ in range(STARTS):
            begun, since = time.perf_counter(), await _last(client)
            await client.call("start", name="alice")
            await watch.first(lambda e: _said(e, "alice", "link"), 30, since)
            hello.append(time.perf_counter() - begun)
            await watch.first(lambda e: _said(e, "alice", "healthy"), 30, since)
            ready.append(time.perf_counter() - begun)
            await client.call("kill", name="alice")
            await watch.first(lambda e: of(e, "alice", "ended"), 30, since)
            begun = time.perf_counter()
            await asyncio.to_thread(hive.host.run, ["systemctl", "start", unit])
            bare.append(time.perf_counter() - begun)
            await asyncio.to_thread(hive.host.run, ["systemctl", "stop", unit])
    most = median(bare) + 1.5
    return [
        Result(
            "from start to hello: a bare systemd-nspawn boot",
            ms(median(hello)),
            ms(median(bare)),
            f"{median(hello) / median(bare):.2f}",
            "at most 1.6",
            median(hello) <= 1.6 * median(bare),
        ),
        Result(
            "from start to ready for a turn: a bare boot",
            ms(median(ready)),
            ms(median(bare)),
            f"{median(ready) / median(bare):.2f}",
            f"boot plus 1.5 s = {ms(most)}",
            median(ready) <= most,
        ),
    ]


@contextmanager
def _bare(host: NestedHost) -> Iterator[str]:
    root = host.path("/var/lib/machines/bare")
    shutil.copytree(host.path("/opt/hyperhive/skeleton"), root, symlinks=True)
    shown = json.loads(host.path("/etc/hyperhive/policy.json").read_text())["bindReadOnly"]
    argv = [
        "/usr/bin/systemd-nspawn --quiet --settings=no --keep-unit --machine=bare",
        f"--directory=/var/lib/machines/bare --private-users={BASE}:65536",
        "--private-users-ownership=chown --private-network --no-new-privileges=yes",
        "--link-journal=no --resolv-conf=off --timezone=off --console=read-only",
        "--notify-ready=yes --kill-signal=SIGRTMIN+3",
        *(f"--bind-ro={path}" for path in shown),
        "/usr/lib/systemd/systemd",
    ]
    unit = host.path("/etc/systemd/system/bare.service")
    unit.write_text(f"[Service]\nType=notify\nDelegate=yes\nExecStart={' '.join(argv)}\n")
    host.run(["systemctl", "daemon-reload"])
    try:
        yield "bare.service"
    finally:
        unit.unlink()
        host.run(["rm", "-r", "/var/lib/machines/bare"])


async def _crashes(hive: Hosted, client: AdminClient, watch: Watch) -> list[Result]:
    """From SIGKILL of the container's PID 1 to the message in the manager's inbox."""
    times: list[float] = []
    await client.call("start", name="alice")
    since = await _last(client)
    for _ in range(CRASHES):
        await watch.first(lambda e: _said(e, "alice", "healthy"), 60, since)
        since = await _last(client)
        leader = await asyncio.to_thread(hive.leader, "alice")
        pid = _outside(hive.host, leader)
        begun = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        await watch.first(lambda e: told(e, "manager", "container_crash") is not None, 30, since)
        times.append(time.perf_counter() - begun)
    await client.call("kill", name="alice")
    p99 = percentile(times, 99)
    return [
        Result(
            "crash to the manager's inbox: polling every 10 s",
            f"{ms(median(times))} (p99 {ms(p99)})",
            "5,000 ms",
            f"{median(times) / 5:.4f}",
            "p99 under 100 ms",
            p99 < 0.1,
        )
    ]


async def _idle(hive: Hosted, client: AdminClient, watch: Watch) -> list[Result]:
    """The service with 20 idle containers, beside itself without."""
    pid = _unit_pid(hive, "hyperhive.service")
    alone = await _cpu_share(pid), _memory([pid])
    since = await _last(client)
    names = [f"a{number}" for number in range(IDLE)]
    for name in names:
        await client.call("start", name=name)
    for name in names:
        await watch.first(
            lambda e, n=name: _said(e, n, "healthy"),  # type: ignore[misc]  # bound now
            120,
            since,
        )
    with_them = await _cpu_share(pid), _memory([pid])
    around = [_unit_pid(hive, f"hyperhive-agent@{name}.service") for name in names]
    each = _memory(around) / IDLE
    return [
        Result(
            f"CPU of the service, {IDLE} idle containers: none",
            f"{with_them[0]:.2%} of a CPU",
            f"{alone[0]:.2%}",
            "",
            "shown",
            True,
        ),
        Result(
            f"memory of the service, {IDLE} idle containers: none",
            f"{with_them[1] / 2**20:.1f} MiB",
            f"{alone[1] / 2**20:.1f} MiB",
            f"{with_them[1] / alone[1]:.2f}",
            f"besides {each / 2**20:.1f} MiB a container for systemd-nspawn",
            True,
        ),
    ]


def _said(event: Event, agent: str, what: str) -> bool:
    return of(event, agent, "agent") and bool(event["data"].get(what))


async def _last(client: AdminClient) -> int:
    return int((await client.call("status"))["last_event"])


def _unit_pid(hive: Hosted, unit: str) -> int:
    show = ["systemctl", "show", unit, "--property=MainPID", "--value"]
    return _outside(hive.host, int(hive.host.run(show).stdout))


def _outside(host: NestedHost, pid: int) -> int:
    """The pid as this process sees it: `NSpid` counts down the namespaces (proc(5), status)."""
    space = Path(f"/proc/{host.pid}/ns/pid").readlink()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines = (entry / "status").read_text().splitlines()
            numbers = next(line for line in lines if line.startswith("NSpid")).split()[1:]
            nested = (entry / "ns/pid").readlink() == space or len(numbers) > 2
            if nested and len(numbers) > 1 and int(numbers[1]) == pid:
                return int(entry.name)
    raise LookupError(f"no process {pid} in the nested host")


async def _cpu_share(pid: int) -> float:
    """Of one CPU, over IDLE_SECONDS (proc(5), stat)."""

    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    await asyncio.sleep(IDLE_SECONDS)
    return (ticks() - before) / 100 / IDLE_SECONDS


def _memory(pids: Sequence[int]) -> float:
    """Proportional set size in bytes: what is shared is counted once (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return total
