"""What the kernel keeps for root of the machine is kept from root of a container."""

from __future__ import annotations

import re
import stat

import pytest

from tests.host.contained import USERS, Contained, not_done, not_refused
from tests.host.hosted import linked
from tests.support.wait import wait_for

MODULE = "tests.host.attempts_kernel"
KNOBS = "tests.host.attempts_knobs"
REFUSALS = {"EPERM", "EACCES", "EROFS"}
LOCKED = {"EINVAL"}
"""What umount(2) says of a mount that came with the namespace."""
ABSENT = {"ENODEV"}
"""A file system that this kernel does not have."""
ANEW = (
    *("unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--cgroup"),
    *("--pid", "--fork", "--kill-child"),
)
"""In namespaces of one's own, where everybody has every capability (user_namespaces(7))."""
HARMLESS = (
    "make kmsg",
    "bpf",
    "io_uring",
    "userfaultfd",
    "add a key",
    "a keyring",
    "read the kernel's log",
    "priority",
    "write below /usr",
)
# Each belongs to a namespace of the container's own: IPC, PID, network, user.
OWN_KNOBS = re.compile(
    r"proc/sys/(net|user|fs/mqueue)/.+"
    r"|proc/sys/kernel/(auto_msgmni|ns_last_pid|pid_max|(msg|sem|shm)\w*)"
    r"|proc/pressure/(cpu|io|irq|memory)"  # asks to be told of pressure, and changes nothing
    r"|cgroup2/cgroup\.(controllers|events|procs|stat|subtree_control|threads)"
    r"|cgroup2/[^/]+/.+"  # below its own cgroup, where it may only divide what that one has
)
DEVICES = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}
"""null, zero, full, random, urandom, tty, ptmx."""
PTS = range(136, 144)


def test_the_attempts_succeed_outside(inside: Contained) -> None:
    assert not_done(inside.attempt_outside(MODULE, only=HARMLESS)) == {}


@pytest.mark.parametrize("within", [(), ANEW], ids=["there", "anew"])
@pytest.mark.parametrize("user", USERS)
def test_the_kernel_refuses(inside: Contained, user: str, within: tuple[str, ...]) -> None:
    outcomes = inside.attempt(user, MODULE, within)
    left = not_refused(outcomes, REFUSALS)
    left = {n: o for n, o in left.items() if not (n.startswith("unmount") and o in LOCKED)}
    assert {n: o for n, o in left.items() if not (n.startswith("mount") and o in ABSENT)} == {}


@pytest.mark.parametrize("user", USERS)
def test_no_knob_but_its_own(inside: Contained, user: str) -> None:
    outcomes = inside.attempt(user, KNOBS, fresh=user == "root")
    assert len(outcomes) > 1_000
    taken = [name for name, outcome in outcomes.items() if outcome == "done"]
    assert [name for name in taken if not OWN_KNOBS.fullmatch(name)] == []
    if user == "agent":
        assert [name for name in taken if name.startswith("cgroup2")] == []


@pytest.mark.parametrize("user", USERS)
def test_no_knob_in_namespaces_anew(inside: Contained, user: str) -> None:
    outcomes = inside.attempt(user, KNOBS, ANEW, fresh=True)
    taken = [name for name, outcome in outcomes.items() if outcome == "done"]
    # All of cgroup2 there is below the cgroup of the attempt itself, which is its user's.
    others = [name for name in taken if not name.startswith("cgroup2/")]
    assert [name for name in others if not OWN_KNOBS.fullmatch(name)] == []


def test_root_outside_has_knobs(inside: Contained) -> None:
    outcomes = inside.attempt_outside(KNOBS, fresh=False)
    taken = [name for name, outcome in outcomes.items() if outcome == "done"]
    assert len([name for name in taken if not OWN_KNOBS.fullmatch(name)]) > 100


@pytest.mark.parametrize("user", USERS)
def test_only_harmless_devices(inside: Contained, user: str) -> None:
    shown = inside.run(user, ["find", "/dev", "-printf", "%y %p\\n"], check=False)
    assert [line for line in shown.splitlines() if line.startswith("b ")] == []
    devices = [line.split(" ", 1)[1] for line in shown.splitlines() if line.startswith("c ")]
    numbers = inside.run(user, ["stat", "--format=%t %T %n", *devices])
    for line in numbers.splitlines():
        major, minor = (int(word, 16) for word in line.split()[:2])
        assert major in PTS or (major, minor) in DEVICES, line
    assert stat.S_ISCHR(inside.host.path("/dev/fuse").stat().st_mode)


@pytest.mark.parametrize("user", USERS)
def test_only_its_own_processes(inside: Contained, user: str) -> None:
    shown = inside.run(
        user, ["/bin/sh", "-c", "for p in /proc/[0-9]*; do cat $p/comm; done"], check=False
    )
    assert "systemd-nspawn" not in shown
    assert "systemd-machine" not in shown
    assert shown.splitlines()[0] == "systemd"
    namespaces = "readlink /proc/[0-9]*/ns/{} | sort -u | wc -l"
    for kind in ("pid", "net", "user", "ipc", "uts"):
        found = inside.run("root", ["/bin/sh", "-c", namespaces.format(kind)])
        assert found.strip() == "1", kind


@pytest.mark.parametrize("user", USERS)
def test_the_bus_is_its_own(inside: Contained, user: str) -> None:
    asking = ["busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId"]
    assert inside.run(user, asking) not in ("", inside.host.run(asking).stdout)
    peers = ["busctl", "list", "--no-legend", "--unique"]
    assert "systemd-machine" in inside.host.run(peers).stdout
    assert "systemd-machine" not in inside.run(user, peers)


@pytest.mark.parametrize("user", USERS)
def test_it_is_a_machine_of_its_own(inside: Contained, user: str) -> None:
    """By none of these can it tell which host it is on, or that another agent is on the same."""
    asking = ["/bin/sh", "-c", "cat /etc/machine-id /proc/sys/kernel/random/boot_id; uname -n"]
    own = inside.run(user, asking).split()
    assert len(own) == 3
    for others in (inside.host.run(asking).stdout, inside.run("root", asking, agent="bob")):
        assert not {*own[:2]} & {*others.split()}
    assert own[2] not in inside.host.run(asking).stdout


async def test_a_reboot_ends_the_container_alone(inside: Contained) -> None:
    boot = inside.host.run(["systemctl", "show", "--property=UserspaceTimestamp"]).stdout
    alice = inside.hive.unit("alice", "InvocationID", "MainPID")
    bob = inside.hive.unit("bob", "InvocationID")
    inside.run("root", ["systemctl", "reboot", "--force", "--force"], agent="bob", check=False)
    async with inside.hive.admin() as client:
        await wait_for(lambda: inside.hive.unit("bob", "InvocationID") != bob, 20.0, "another run")
        await wait_for(lambda: linked(client, "bob"), 30.0, "bob's link")
    assert inside.hive.unit("alice", "InvocationID", "MainPID") == alice
    assert inside.host.run(["systemctl", "show", "--property=UserspaceTimestamp"]).stdout == boot
