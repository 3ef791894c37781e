"""Who holds the other end of a TCP connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

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
