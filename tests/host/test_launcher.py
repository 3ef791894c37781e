"""Launcher and purge as the units run them, with the real systemd-nspawn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hyperhive.nspawn.launch_refusal import Exit
from nested.host import NestedHost
from tests.support.wait import wait_until

BUNDLE = "/opt/hyperhive/bundles/default"
STATE, RUN = "/var/lib/hyperhive", "/run/hyperhive"
NAMES = ("ada", "ben")


class Agents:
    """Two agents that no service knows of: only their units and what those need."""

    def __init__(self, host: NestedHost) -> None:
        self.host = host
        owned = ["install", "--directory", "--owner=hyperhive", "--group=hyperhive"]
        host.run([*owned, "--mode=0700", f"{STATE}/service/bundles", f"{RUN}/service/agents"])
        for name in NAMES:
            host.run(["ln", "-sfn", BUNDLE, f"{STATE}/service/bundles/{name}"])
            host.run([*owned, "--mode=0711", f"{RUN}/service/agents/{name}"])

    def unit(self, verb: str, name: str, kind: str = "agent", check: bool = True) -> None:
        self.host.run(["systemctl", verb, f"hyperhive-{kind}@{name}.service"], check=check)

    def show(self, name: str, *properties: str, kind: str = "agent") -> list[str]:
        argv = ["systemctl", "show", "--value", f"hyperhive-{kind}@{name}.service"]
        return [self.host.run([*argv, f"--property={p}"]).stdout.strip() for p in properties]

    def launched(self, name: str) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.host.path(f"{RUN}/launch/{name}.json").read_text())
        return facts

    def leader(self, name: str) -> str:
        show = ["machinectl", "show", f"h-{name}", "--property=Leader", "--value"]
        return self.host.run(show).stdout.strip()

    def inside(self, name: str, script: str, user: str = "root") -> str:
        shell = ["machinectl", "--quiet", "shell", f"{user}@h-{name}", "/bin/sh", "-c", script]
        return self.host.run(shell).stdout

    def text(self, path: str) -> str:
        return self.host.run(["cat", path]).stdout

    def close(self) -> None:
        for name in NAMES:
            self.unit("stop", name)
            self.unit("start", name, "purge")
            service = [f"{STATE}/service/bundles/{name}", f"{RUN}/service/agents/{name}"]
            self.host.run(["rm", "-rf", *service])
        self.host.run(["systemctl", "reset-failed"])


@pytest.fixture
def agents(nested: NestedHost) -> Iterator[Agents]:
    agents = Agents(nested)
    yield agents
    agents.close()


def test_each_container_has_its_range_its_limits_and_no_descriptor_of_the_host(
    agents: Agents,
) -> None:
    bases = set()
    for name in NAMES:
        agents.unit("start", name)
        facts = agents.launched(name)
        (invocation,) = agents.show(name, "InvocationID")
        assert facts["invocation_id"] == invocation
        assert facts["bundle"] == BUNDLE
        bases.add(facts["uid_base"])
        leader = agents.leader(name)
        uid_map = agents.text(f"/proc/{leader}/uid_map").split()
        assert uid_map == ["0", str(facts["uid_base"]), "65536"]
        status = agents.text(f"/proc/{leader}/status")
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
        assert not shared_sockets(agents, leader, agents.show(name, "MainPID")[0])
        assert agents.show(name, "MemorySwapMax", "TasksMax") == ["0", "1024"]
        assert agents.show(name, "NeedDaemonReload") == ["no"]
    assert len(bases) == 2


def shared_sockets(agents: Agents, leader: str, nspawn: str) -> set[str]:
    """Sockets and pipes that the container's PID 1 has in common with the host's processes."""

    def held(pid: str) -> set[str]:
        listing = agents.host.run(["find", f"/proc/{pid}/fd", "-printf", "%l\n"]).stdout
        return set(re.findall(r"(?:socket|pipe):\[\d+\]", listing))

    assert held(leader)
    return held(leader) & (held("1") | held(nspawn))


def test_roots_power_inside_ends_at_the_container(agents: Agents) -> None:
    agents.unit("start", "ada")
    for attempt in (
        "mknod /state/null c 1 3",
        "mount -o remount,rw /run/hive",
        "mount -o remount,rw,suid,dev /state",
        "touch /run/hive/x",
        "rm -rf /run/hive/hive.sock && touch /run/hive/hive.sock",
        "chattr +i /workspace",
        "ip link set lo down",
        "cat /dev/kmsg",
        "echo 1 > /proc/sys/kernel/sysrq",
        "dd if=/dev/zero of=/full bs=1M count=1000",
        "ls /run/dbus/system_bus_socket && test -e /var/lib/hyperhive",
    ):
        assert "REFUSED" in agents.inside("ada", f"({attempt}) >/dev/null 2>&1 || echo REFUSED")
    assert agents.inside("ada", "ls /sys/class/net", "agent").split() == ["lo"]
    assert "STATE" in agents.inside("ada", "touch /state/a && echo STATE", "agent")


def test_what_the_guest_did_to_its_directories_is_put_right(agents: Agents) -> None:
    agents.unit("start", "ada")
    base = agents.launched("ada")["uid_base"]
    agents.inside("ada", "touch /home/agent/kept; chown 0:5 /state; chmod 4777 /workspace")
    agents.unit("restart", "ada")
    assert agents.launched("ada")["uid_base"] == base
    for part in ("state", "home", "workspace"):
        found = agents.host.run(["stat", "--format=%u:%g %a", f"{STATE}/agents/ada/{part}"]).stdout
        assert found == f"{base + 1000}:{base + 1000} 700\n"
    assert "kept" in agents.inside("ada", "ls /home/agent", "agent")


def test_a_reboot_from_inside_goes_through_the_launcher(agents: Agents) -> None:
    agents.unit("start", "ada")
    before = agents.launched("ada")
    agents.host.run(
        ["machinectl", "--quiet", "shell", "h-ada", "/bin/systemctl", "reboot", "--force"],
        check=False,
    )
    wait_until(lambda: agents.launched("ada") != before, 20.0, "another launch")
    assert agents.launched("ada")["uid_base"] == before["uid_base"]
    wait_until(lambda: agents.show("ada", "ActiveState") == ["active"], 20.0, "it to be up")


def test_purge_while_it_runs_is_refused_and_afterwards_leaves_nothing(agents: Agents) -> None:
    for name in NAMES:
        agents.unit("start", name)
    agents.inside("ada", "mkdir -p a/b; ln -s / a/root; touch a/b/c; chmod 0 a/b", "agent")
    agents.unit("start", "ada", "purge", check=False)
    assert agents.show("ada", "ExecMainStatus", kind="purge") == [str(Exit.RUNNING.value)]
    assert "a" in agents.inside("ada", "ls /home/agent", "agent")
    agents.unit("stop", "ada")
    agents.unit("start", "ada", "purge")
    found = agents.host.run(["find", f"{STATE}/agents", f"{STATE}/trash", f"{RUN}/launch"]).stdout
    assert "ada" not in found
    assert f"{STATE}/agents/ben/home" in found
    assert agents.show("ben", "ActiveState") == ["active"]


def test_a_refusal_is_seen_at_the_unit_and_leaves_nothing(agents: Agents) -> None:
    agents.host.run(["ln", "-sfn", "/etc", f"{STATE}/service/bundles/ada"])
    agents.unit("start", "ada", check=False)
    shown = agents.show("ada", "ActiveState", "ExecMainStatus")
    assert shown == ["failed", str(Exit.BUNDLE_OUTSIDE.value)]
    log = agents.host.run(
        ["journalctl", "--namespace=hyperhive-ada", "--unit=hyperhive-agent@ada", "--output=cat"]
    ).stdout
    assert "launcher: the bundle '/etc' is not below /opt/hyperhive/bundles" in log
    assert "h-ada" not in agents.host.run(["machinectl", "list"]).stdout
    assert "launch/ada" not in agents.text("/proc/1/mountinfo")
