"""Every process of every container: its uids, its bounds, and what it holds of the host."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from hyperhive.nspawn.launch_command import DROPPED
from hyperhive.nspawn.launch_ranges import BASES, SIZE
from nested.host import ENVIRONMENT
from tests.host.contained import AGENTS, Contained
from tests.host.hosted import linked
from tests.host.watching import operations_over
from tests.support.wait import wait_for, wait_until

_BITS = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITIES = _BITS.split()
"""Bit by bit (linux/capability.h)."""
_NEVER = "SYS_MODULE SYS_RAWIO SYS_PACCT SYS_TIME SYSLOG BPF PERFMON MAC_ADMIN AUDIT_READ"
FORBIDDEN = {*_NEVER.split()} | {capability.removeprefix("CAP_") for capability in DROPPED}
"""What systemd-nspawn does not give by itself, and what it is told not to give."""
LOOK = Path(__file__).with_name("look.py")
PAYLOAD = "/sys/fs/cgroup/machine.slice/hyperhive-agent@{}.service/payload"
SHELL = "container-shell@"
Process = dict[str, Any]


def look(inside: Contained, agent: str) -> list[Process]:
    """All processes of the container; systemd-nspawn itself is beside them."""
    look = ["/usr/bin/python3", "-I", "-c", LOOK.read_text(), PAYLOAD.format(agent)]
    found: list[Process] = json.loads(inside.host.run(look).stdout)
    assert len(found) > 2
    return found


@contextlib.contextmanager
def shell(inside: Contained, agent: str, user: str = "root") -> Iterator[None]:
    """One that stays open."""
    command = ["machinectl", "--quiet", "shell", f"{user}@h-{agent}", "/bin/sh"]
    with subprocess.Popen(
        inside.host.command(command),
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as opened:
        try:
            wait_until(lambda: named(look(inside, agent), SHELL), 10, "a shell")
            yield
        finally:
            opened.terminate()


def named(found: list[Process], unit: str) -> list[Process]:
    return [process for process in found if unit in process["cgroup"]]


def check_ranges(inside: Contained) -> None:
    bases = {name: inside.base(name) for name in AGENTS}
    assert len(set(bases.values())) == len(AGENTS)
    for name, base in bases.items():
        assert base in BASES
        assert base % SIZE == 0
        assert base >= 1_000_000_000
        assert base + SIZE <= 1_879_048_192
        for process in look(inside, name):
            assert process["uid_map"] == [0, base, SIZE], process["command"]
            assert process["gid_map"] == [0, base, SIZE], process["command"]
            ids = chain(process["status"]["Uid"], process["status"]["Gid"])
            assert all(base <= int(uid) < base + SIZE for uid in ids), process["command"]


async def test_each_has_a_range_of_its_own(inside: Contained) -> None:
    check_ranges(inside)
    with shell(inside, "alice"), shell(inside, "bob", "agent"):
        check_ranges(inside)
    async with inside.hive.admin() as client:
        before = inside.base("alice")
        await client.call("restart", name="alice")
        await operations_over(client, 30.0)  # until then the link may still be the old one
        await wait_for(lambda: linked(client, "alice"), 30.0, "alice's link")
        assert inside.base("alice") == before
        check_ranges(inside)
    inside.hive.stop()
    inside.hive.start()
    async with inside.hive.admin() as client:
        await wait_for(lambda: linked(client, "alice"), 30.0, "alice's link")
        await wait_for(lambda: linked(client, "bob"), 30.0, "bob's link")
    check_ranges(inside)


def test_bounds(inside: Contained) -> None:
    with shell(inside, "alice"), shell(inside, "bob", "agent"):
        for name in AGENTS:
            found = look(inside, name)
            assert named(found, "init.scope")
            assert named(found, "hyperhive-harness.service")
            for process in found:
                status, command = process["status"], process["command"]
                assert status["Seccomp"] == ["2"], command
                assert status["NoNewPrivs"] == ["1"], command
                for kind in ("CapBnd", "CapPrm", "CapInh", "CapEff", "CapAmb"):
                    bits = int(status[kind][0], 16)
                    held = {c for i, c in enumerate(CAPABILITIES) if bits >> i & 1}
                    assert held & FORBIDDEN == set(), f"{command}: {kind}"
                    assert bits < 1 << len(CAPABILITIES)


def test_no_descriptor_of_the_host(inside: Contained) -> None:
    with shell(inside, "alice"):
        assert foreign(look(inside, "alice")) == []


def test_one_that_came_without_its_namespaces_is_found(inside: Contained) -> None:
    """As a process that was put there from the host, which keeps its uids and what it has open."""
    leader = inside.hive.leader("alice")
    scope = f"{PAYLOAD.format('alice')}/init.scope/cgroup.procs"
    enter = f"nsenter --target={leader} --mount --uts --ipc --net --pid"
    script = f"echo $$ > {scope}; exec 3< /etc/shadow; exec {enter} sleep 4243"
    with subprocess.Popen(inside.host.command(["/bin/sh", "-c", script]), env=ENVIRONMENT) as stray:
        try:
            wait_until(
                lambda: [p for p in look(inside, "alice") if "4243" in p["command"]], 10, "sleep"
            )
            with pytest.raises(AssertionError, match="4243"):
                check_ranges(inside)
            assert [where for where in foreign(look(inside, "alice")) if "/etc/shadow" in where]
        finally:
            inside.host.run(["pkill", "--full", "^sleep 4243"], check=False)
            stray.wait(10)


def foreign(found: list[Process]) -> list[str]:
    files = ((process["command"], file) for process in found for file in process["files"])
    return [f"{command}: {file['target']}" for command, file in files if not file["own"]]


def test_setuid_gives_nothing(inside: Contained) -> None:
    copy = "cp /usr/bin/id {0}/id && chown 0:0 {0}/id && chmod 6755 {0}/id && setcap all=ep {0}/id"
    for place in ("/workspace", "/home/agent", "/state", "/tmp", "/run"):
        inside.run("root", ["/bin/sh", "-c", copy.format(place)], check=False)
        shown = inside.run("agent", [f"{place}/id"], check=False)
        assert shown.startswith("uid=1000(agent) gid=1000(agent) groups=1000(agent)")
    su = inside.run(
        "agent", ["/bin/sh", "-c", "su --command id; /usr/bin/mount -t tmpfs x /tmp"], check=False
    )
    assert "uid=0" not in su
