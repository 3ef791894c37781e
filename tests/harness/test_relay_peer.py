"""Who holds the other end of a TCP connection."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.harness.relay import Relay
from hyperhive.harness.relay_peer import owner_of_connection

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The accepted and the connecting end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with client, accepted:
        yield accepted, client


def _owner(pair: Pair) -> int | None:
    accepted, _ = pair
    return owner_of_connection(local=accepted.getpeername(), remote=accepted.getsockname())


def test_names_the_user_who_connected(pair: Pair) -> None:
    assert _owner(pair) == os.geteuid()


def test_names_the_user_who_has_sent_all_but_still_listens(pair: Pair) -> None:
    pair[1].shutdown(socket.SHUT_WR)
    assert _owner(pair) == os.geteuid()


def test_a_peer_that_closed_is_nobody(pair: Pair) -> None:
    """The kernel lists its remains as uid 0, which must not make it root."""
    here, there = pair[0].getsockname(), pair[0].getpeername()
    pair[1].close()
    assert owner_of_connection(local=there, remote=here) is None


def test_a_connection_that_is_not_there_has_no_owner(pair: Pair) -> None:
    here, there = pair[0].getsockname(), pair[0].getpeername()
    assert owner_of_connection(local=(there[0], there[1] ^ 1), remote=here) is None
    assert owner_of_connection(local=("127.0.0.2", there[1]), remote=here) is None


# The interpreter may be out of reach for the other user: load all it needs before changing.
_CLIENT = """
import os, socket, sys
address = (b"127.0.0.1", int(sys.argv[1]))
os.setuid(int(sys.argv[2]))
with socket.socket() as s:
    s.settimeout(5)
    try:
        s.connect(address)
        s.sendall(b"let me in")
        print(s.recv(100).decode())
    except ConnectionError:
        print("refused")
"""


@pytest.mark.root
async def test_refuses_another_user(socket_dir: Path) -> None:
    path, heard = socket_dir / "hive.sock", []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.write(heard[-1])
        writer.close()

    server = await asyncio.start_unix_server(listen, path)
    async with server, Relay(path) as mine, Relay(path, uid=65534) as theirs:
        assert (await _ask_as(mine, 65534)).strip() in ("", "refused")
        assert (await _ask_as(theirs, 0)).strip() in ("", "refused")
        assert heard == []
        assert (await _ask_as(mine, 0)).strip() == "let me in"
        assert (await _ask_as(theirs, 65534)).strip() == "let me in"


async def _ask_as(relay: Relay, uid: int) -> str:
    def ask() -> str:
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CLIENT, relay.url.rpartition(":")[2], str(uid)],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout

    return await asyncio.to_thread(ask)
