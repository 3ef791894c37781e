"""Who may connect, how many at once, and a host that has run out of descriptors."""

import array
import asyncio
import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.gateway.limits import Limits
from tests.gateway.client import Refused
from tests.gateway.world import World, running
from tests.support.wait import let_time_pass, wait_for

AS_ANOTHER_USER = """
import os, socket, sys
path, uid = sys.argv[1:]
os.setgroups([]); os.setresgid(int(uid), int(uid), int(uid)); os.setresuid(*[int(uid)] * 3)
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
try:
    connection.sendall(b"POST /v1/whoami HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(connection.recv(1000).split(b"\\r\\n")[0].decode())
except ConnectionError:
    print()
"""


async def first_line_as(uid: int, path: Path) -> str:
    """What a process of that user gets to its request; empty when the door was shut."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", AS_ANOTHER_USER, str(path), str(uid)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done.stdout.strip()


OK = "HTTP/1.1 200 OK"
ALICE, BOB, NOBODY = 1_000_001_000, 1_000_066_536, 65_534


@pytest.mark.root
async def test_only_the_agents_own_uid_gets_in(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.directory.chmod(0o711)  # made 0700 for the test
    world.allowed.update(alice={ALICE}, bob={BOB})
    assert await first_line_as(ALICE, world.socket("alice")) == OK
    assert await first_line_as(BOB, world.socket("bob")) == OK
    for uid in (BOB, NOBODY, 0, ALICE + 1):
        assert await first_line_as(uid, world.socket("alice")) == ""
    assert caplog.text.count("alice: connection refused: a peer with uid") == 1  # logged once
    world.allowed["alice"] = {BOB}  # after a change of the range
    assert await first_line_as(ALICE, world.socket("alice")) == ""
    assert await first_line_as(BOB, world.socket("alice")) == OK


@pytest.mark.root
async def test_a_connection_handed_to_another_is_still_its_makers(world: World) -> None:
    """What counts is who connected (SO_PEERCRED): a passed descriptor brings no other identity."""
    world.directory.chmod(0o711)
    world.allowed["alice"] = {ALICE}
    assert await first_line_as(ALICE, world.socket("alice")) == OK
    with connected(world.socket("alice")) as connection:  # made by us, whoever uses it
        connection.sendall(b"POST /v1/whoami HTTP/1.1\r\nHost: hive\r\n\r\n")
        assert await asyncio.to_thread(received, connection) == b""


def received(connection: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError):
        return connection.recv(1_000)
    return b""


@contextlib.contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        yield connection


def has_connections(server: web.Server, number: int) -> bool:
    return len(server.connections) == number


async def test_only_so_many_connections_and_room_again_later(
    tmp_path: Path, socket_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, socket_dir, limits=Limits(connections=8)) as world:
        server = world.gateway._doors["alice"]._runner.server
        assert server is not None
        with contextlib.ExitStack() as open_ones:
            for number in range(1, 9):
                open_ones.enter_context(connected(world.socket("alice")))
                await wait_for(partial(has_connections, server, number))
            for _ in range(20):
                with connected(world.socket("alice")) as refused:
                    assert await asyncio.to_thread(received, refused) == b""
            assert (await world.client("bob").call("whoami"))["name"] == "bob"
        await wait_for(lambda: not server.connections)
        assert (await world.client("alice").call("whoami"))["name"] == "alice"
    assert caplog.text.count("8 connections are open") == 1


async def test_passed_descriptors_are_not_taken(world: World) -> None:
    """A hundred files in the baggage of a request: none may stay open in the host."""
    before = len(os.listdir("/proc/self/fd"))
    with open(os.devnull) as null, connected(world.socket("alice")) as connection:
        baggage = array.array("i", [null.fileno()] * 100)
        for byte in b"POST /v1/whoami HTTP/1.1\r\nHost: hive\r\nContent-Length: 2\r\n\r\n{}":
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, baggage)]
            connection.sendmsg([bytes([byte])], rights)
        answer = await asyncio.to_thread(connection.recv, 1_000)
        assert answer.startswith(b"HTTP/1.1 200 OK")
    await wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_out_of_descriptors_is_borne_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for connection in waiting:
            stack.enter_context(connection)
        used = max(int(fd) for fd in os.listdir("/proc/self/fd")) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
        hoard = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    hoard.append(os.dup(0))
            for connection in waiting:
                connection.connect(str(world.socket("alice")))
            began = os.times()
            await wait_for(lambda: "cannot accept connections" in caplog.text)
            await let_time_pass(1.5)  # three attempts' time
            spent = os.times()
        finally:
            for fd in hoard:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (spent.user + spent.system) - (began.user + began.system) < 0.75
        assert caplog.text.count("cannot accept connections") == 1
        assert os.strerror(errno.EMFILE) in caplog.text
        server = world.gateway._doors["alice"]._runner.server
        assert server is not None
        await wait_for(lambda: len(server.connections) == 5)
    assert (await world.client("alice").call("whoami"))["name"] == "alice"


async def test_a_flood_of_connections_leaves_the_others_alone(world: World) -> None:
    """Thousands of connections of one agent; another one is answered in the meantime."""
    stop = asyncio.Event()

    async def flood() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError, Refused):
                _, writer = await asyncio.open_unix_connection(str(world.socket("alice")))
                writer.close()
                await writer.wait_closed()

    floods = [asyncio.create_task(flood()) for _ in range(20)]
    loop = asyncio.get_running_loop()
    times = []
    for _ in range(50):
        began = loop.time()
        await world.client("bob").call("whoami")
        times.append(loop.time() - began)
    stop.set()
    await asyncio.gather(*floods)
    assert sorted(times)[45] < 0.2


async def test_a_runtime_that_fails_to_tell_shuts_nobody_out(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    door = world.gateway._doors["alice"]
    told, door._allowed = door._allowed, broken
    with connected(world.socket("alice")) as connection:
        assert await asyncio.to_thread(received, connection) == b""
    door._allowed = told
    assert (await world.client("alice").call("whoami"))["name"] == "alice"
    assert "a connection failed unexpectedly" in caplog.text
    caplog.clear()


def broken(name: str, uid: int) -> bool:
    raise ZeroDivisionError
