"""Files and sockets of the host and of others are not there; the own socket stays what it is."""

from __future__ import annotations

import os

import pytest

from tests.host.contained import AGENTS, USERS, Contained, not_done, not_refused

FILES = "tests.host.attempts_files"
PEER = "tests.host.attempts_peer"
SOCKETS = "/run/hyperhive/service/agents"
HOST_FILES = (
    "/var/lib/hyperhive",
    "/var/lib/hyperhive/service/hive.db",
    "/var/lib/hyperhive/agents/bob/state",
    "/var/lib/hyperhive/agents/alice/state",
    "/run/hyperhive/service/agents",
    "/run/hyperhive/launch/alice.json",
    "/etc/hyperhive/credential",
    "/etc/hyperhive/policy.json",
    "/opt/hyperhive/bundles/default/agent.json",
    "/run/credentials/hyperhive.service/credential",
    "/etc/systemd/system/hyperhive-agent@.service",
)
HOST_SOCKETS = (
    "/run/hyperhive/service/admin.sock",
    *(f"{SOCKETS}/{name}/hive.sock" for name in AGENTS),
    "/run/systemd/machine/io.systemd.Machine",
    "/run/systemd/io.system.ManagedOOM.host",
)
GONE = {"ENOENT", "EACCES", "ENOTDIR"}
UNTOUCHED = {"EROFS", "EXDEV", "EBUSY", "EPERM", "EACCES", "ENOENT"}


def test_the_attempts_succeed_outside(inside: Contained) -> None:
    outcomes = inside.attempt_outside(FILES, files=HOST_FILES, sockets=HOST_SOCKETS[:3], own=False)
    assert not_done(outcomes) == {}


@pytest.mark.parametrize("user", USERS)
def test_nothing_of_the_host_is_there(inside: Contained, user: str) -> None:
    outcomes = inside.attempt(user, FILES, files=HOST_FILES, sockets=HOST_SOCKETS, own=True)
    there = {name: o for name, o in outcomes.items() if name.startswith(("read", "connect"))}
    assert not_refused(there, GONE) == {}


@pytest.mark.parametrize("user", USERS)
def test_the_socket_cannot_be_replaced(inside: Contained, user: str) -> None:
    directory = inside.host.path(f"{SOCKETS}/alice")
    before = [(entry, os.lstat(directory / entry)) for entry in sorted(os.listdir(directory))]
    outcomes = inside.attempt(user, FILES, files=(), sockets=(), own=True)
    assert not_refused(outcomes, UNTOUCHED) == {}
    after = [(entry, os.lstat(directory / entry)) for entry in sorted(os.listdir(directory))]
    assert after == before
    assert inside.run(user, ["/usr/bin/python3", "-I", "-c", WHO_AM_I]).strip() == "alice"


WHO_AM_I = """
import json, socket
asking = socket.socket(socket.AF_UNIX)
asking.connect("/run/hive/hive.sock")
asking.sendall(b"POST /v1/whoami HTTP/1.0\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
answer = b"".join(iter(lambda: asking.recv(4096), b""))
print(json.loads(answer.partition(b"\\r\\n\\r\\n")[2])["name"])
"""


def test_only_the_agents_own_uids_are_answered(inside: Contained) -> None:
    alice, bob = inside.base("alice"), inside.base("bob")
    service = int(inside.host.run(["id", "--user", "hyperhive"]).stdout)
    own = [alice, alice + 1_000, alice + 65_535]
    others = [0, 65_534, 1_000, service, alice - 1, alice + 65_536, bob, bob + 1_000]
    uids = [*own, *others]
    answers = inside.attempt_outside(PEER, directory=f"{SOCKETS}/alice", uids=uids)
    assert {uid for uid, answer in answers.items() if answer == "HTTP/1.1 200 OK"} == {
        *map(str, own)
    }
    assert {answers[str(uid)] for uid in others} == {"closed"}


def test_what_bob_keeps_is_not_alices(inside: Contained) -> None:
    for place in ("/state", "/home/agent", "/workspace", "/tmp", "/run", "/var"):
        inside.run("root", ["tee", f"{place}/bobs-own"], agent="bob", given=b"bob's")
        assert inside.run("root", ["cat", f"{place}/bobs-own"], agent="bob") == "bob's"
    assert "bobs-own" in inside.host.run(["find", "/var/lib/hyperhive", "-name", "bobs-own"]).stdout
    for user in USERS:
        found = ["find", "/", "-not", "-path", "/proc/*", "-name", "bobs-own"]
        assert inside.run(user, found, check=False) == ""


def test_only_root_of_the_host_comes_to_what_agents_keep(inside: Contained) -> None:
    """Where a file of uid 0 inside with the setuid bit would belong to a uid of the range."""
    inside.run("root", ["install", "--mode=6755", "/usr/bin/id", "/state/setuid"])
    path = "/var/lib/hyperhive/agents/alice/state/setuid"
    assert inside.host.path(path).stat().st_uid == inside.base("alice")
    for user in ("nobody", "hyperhive"):
        refused = inside.host.run(["/bin/sh", "-c", path], user=user, check=False)
        assert "Permission denied" in refused.stderr
