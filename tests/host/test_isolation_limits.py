"""What a container may take, and tell: its share, and not the host's or another agent's."""

from __future__ import annotations

import pytest

from tests.host.contained import USERS, Contained, not_done
from tests.support.wait import wait_for, wait_until

NOTIFY = "tests.host.attempts_notify"
ROOT_SIZE, ROOT_INODES = 256 * 2**20, 65_536
TASKS = 1_024
FLOOD = 150_000
"""Lines; a journal keeps some 2,000 of an agent in 30 s (packaging/journald)."""
FILL = "dd if=/dev/zero of=/way-out bs=1M count=2000 2>&1; stat --format=%s /way-out; rm /way-out"
MANY = """
import itertools, os
os.mkdir("/many")
try:
    for number in itertools.count():
        os.close(os.open(f"/many/{number}", os.O_CREAT | os.O_WRONLY))
except OSError as error:
    print(error.strerror, number)
finally:
    for number in range(number):
        os.unlink(f"/many/{number}")
    os.rmdir("/many")
"""
FORKS = """
import os, signal, time
children = []
try:
    for _ in range(20_000):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError as error:
    print(error.strerror, len(children))
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
"""


def test_the_root_is_as_large_as_it_is(inside: Contained) -> None:
    shown = inside.run("root", ["/bin/sh", "-c", FILL])
    assert "No space left on device" in shown
    assert 0 < int(shown.splitlines()[-1]) <= ROOT_SIZE


def test_the_root_has_as_many_files_as_it_has(inside: Contained) -> None:
    said, _, number = inside.run("root", ["/usr/bin/python3", "-I", "-c", MANY]).rpartition(" ")
    assert said == "No space left on device"
    assert 0 < int(number) <= ROOT_INODES


@pytest.mark.cgroups
@pytest.mark.parametrize("user", USERS)
def test_as_many_tasks_as_allowed(inside: Contained, user: str) -> None:
    said, _, number = inside.run(user, ["/usr/bin/python3", "-I", "-c", FORKS]).rpartition(" ")
    assert said == "Resource temporarily unavailable"
    assert 0 < int(number) < TASKS
    assert inside.run("root", ["echo", "well"], agent="bob") == "well\n"


@pytest.mark.cgroups
async def test_as_much_memory_as_allowed(inside: Contained) -> None:
    """The end of the one container is known for what it is; the other goes on."""
    before = {name: inside.hive.unit(name, "InvocationID") for name in ("alice", "bob")}
    inside.host.run(
        ["systemctl", "--runtime", "set-property", "hyperhive-agent@bob.service", "MemoryMax=300M"]
    )
    eat = "held = []\nwhile True: held.append(bytearray(2**20))"
    inside.run("root", ["/usr/bin/python3", "-I", "-c", eat], agent="bob", check=False)
    await wait_for(
        lambda: inside.hive.unit("bob", "InvocationID") != before["bob"], 30, "bob's end"
    )
    assert inside.hive.unit("alice", "InvocationID") == before["alice"]


def test_limits_are_those_of_the_unit(inside: Contained) -> None:
    """Also of a shell: all that machined starts is below the cgroup that has them."""
    unit = "hyperhive-agent@alice.service"
    assert inside.hive.unit("alice", "TasksMax", "MemorySwapMax") == {
        "TasksMax": str(TASKS),
        "MemorySwapMax": "0",
    }
    with inside.running("agent", ["/bin/sh", "-c", "exec sleep 4244 < /dev/null"]):
        find = ["pgrep", "--full", "--exact", "sleep 4244"]
        pid = wait_until(lambda: inside.host.run(find, check=False).stdout.strip(), 10, "sleep")
        cgroup = inside.host.run(["cat", f"/proc/{pid}/cgroup"]).stdout
        inside.host.run(["kill", pid])
    assert f"/machine.slice/{unit}/payload/" in cgroup


@pytest.mark.parametrize("user", USERS)
def test_no_news_of_its_unit_but_a_text(inside: Contained, user: str) -> None:
    properties = ("MainPID", "NFileDescriptorStore", "ActiveState", "SubState", "Result")
    unit = inside.hive.unit("alice", *properties)
    supervisor = f"/proc/{unit['MainPID']}/fd"
    before = len(inside.host.run(["ls", supervisor]).stdout.split())
    told = inside.attempt(user, NOTIFY)
    if user == "root":
        assert not_done(told) == {}
        wait_until(lambda: status(inside) == "Container running: way-out 1", 10, "the text")
    else:
        assert "way-out" not in status(inside).removesuffix("way-out 1")
    assert inside.hive.unit("alice", *properties) == unit
    assert len(inside.host.run(["ls", supervisor]).stdout.split()) == before


def status(inside: Contained) -> str:
    return inside.hive.unit("alice", "StatusText")["StatusText"]


def test_a_flood_of_its_console_is_cut(inside: Contained) -> None:
    """What the host keeps of it, and that the host's own journal has none of it."""
    marker = "way-out-flood"
    flood = f"i=0; while [ $i -lt {FLOOD} ]; do echo {marker} $i; i=$((i+1)); done > /dev/console"
    inside.run("root", ["/bin/sh", "-c", flood])
    inside.host.run(["logger", "--tag", "hyperhive-test", "the host goes on"])
    journal = ["journalctl", "--no-pager", "--output=cat"]
    own = "--namespace=hyperhive-alice"
    inside.host.run(["journalctl", own, "--sync"])
    kept = inside.host.run([*journal, own]).stdout
    assert 0 < kept.count(marker) < FLOOD / 25
    inside.host.run(["journalctl", "--sync"])
    hosts = inside.host.run(journal).stdout
    assert marker not in hosts
    assert "the host goes on" in hosts
    assert inside.run("root", ["echo", "well"], agent="bob") == "well\n"
