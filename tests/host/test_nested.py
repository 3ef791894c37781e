"""The nested host itself: a real systemd that knows what hyperhive is allowed to do."""

import subprocess
import sys
from pathlib import Path

from nested.__main__ import opened
from nested.host import NestedHost
from tests.host.conftest import CLONE

DIRECTORIES = {
    "/var/lib/hyperhive": "755 root root",
    "/var/lib/hyperhive/service": "700 hyperhive hyperhive",
    "/var/lib/hyperhive/agents": "700 root root",
    "/var/lib/hyperhive/trash": "700 root root",
    "/run/hyperhive": "755 root root",
    "/run/hyperhive/service": "2710 hyperhive hyperhive-admin",
    "/run/hyperhive/service/agents": "700 hyperhive hyperhive",
    "/run/hyperhive/launch": "755 root root",
}


def test_it_is_a_whole_host(nested: NestedHost) -> None:
    assert nested.run(["systemctl", "is-system-running"]).stdout == "running\n"
    names = nested.run(["busctl", "list", "--acquired", "--no-legend"]).stdout
    for name in ("systemd1", "machine1", "PolicyKit1"):
        assert f"org.freedesktop.{name} " in names


def test_nothing_enabled_on_this_machine_starts_in_it(nested: NestedHost) -> None:
    units = nested.run(["systemctl", "list-units", "--type=service", "--no-legend", "--plain"])
    running = {line.split()[0].removesuffix(".service") for line in units.stdout.splitlines()}
    assert {name for name in running if not name.startswith(("systemd-", "hyperhive"))} <= {
        "dbus",
        "nix-daemon",
        "polkit",
        "user-runtime-dir@0",
    }


def test_directories_have_their_owners_and_modes(nested: NestedHost) -> None:
    found = nested.run(["stat", "--format=%n=%a %U %G", *DIRECTORIES]).stdout
    assert dict(line.split("=") for line in found.splitlines()) == DIRECTORIES


def test_the_service_is_hardened(nested: NestedHost) -> None:
    report = nested.run(["systemd-analyze", "security", "--no-pager", "hyperhive.service"]).stdout
    level = float(report.split("Overall exposure level for hyperhive.service:")[1].split()[0])
    assert level <= 2.0, report


def test_the_units_are_sound(nested: NestedHost) -> None:
    units = sorted((CLONE / "packaging/systemd").glob("*.service"))
    installed = [Path("/etc/systemd/system") / unit.name for unit in units]
    nested.run(["systemd-analyze", "verify", *installed])


def test_nothing_is_left_of_one_that_has_ended() -> None:
    before = mounts()
    with opened(CLONE, sys.executable) as host:
        pid = host.pid
        base, cgroup = host._base, host._cgroup
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()
    assert not base.exists()
    assert not cgroup.exists()
    assert mounts() == before


def mounts() -> str:
    return subprocess.run(["findmnt", "-rn"], check=True, capture_output=True, text=True).stdout
