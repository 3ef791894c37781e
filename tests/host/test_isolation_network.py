"""From inside a container nothing answers but its own loopback, whoever asks."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from nested.host import NestedHost
from tests.host.contained import USERS, Contained, not_done, not_refused

MODULE = "tests.host.attempts_network"
LOOPBACK = ("127.0.0.1", "127.0.0.2", "::1")
STREAM = socket.SOCK_STREAM
ABSTRACT = "hyperhive-test-listener"
REFUSALS = {"ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EPERM", "ENOENT", "EAFNOSUPPORT"}


class Listeners(threading.Thread):
    """On the host: a TCP and a UDP socket at each address, and an abstract one."""

    def __init__(self, sockets: Sequence[socket.socket], end: socket.socket) -> None:
        super().__init__()
        self.heard: list[str] = []
        """Where somebody came."""
        self._sockets = sockets
        self._end = end

    @property
    def reached(self) -> list[tuple[str, int]]:
        tcp = [s for s in self._sockets if s.family != socket.AF_UNIX and s.type == STREAM]
        return [listening.getsockname()[:2] for listening in tcp]

    def run(self) -> None:
        while True:
            ready, _, _ = select.select([self._end, *self._sockets], [], [])
            if self._end in ready:
                return
            for listening in ready:
                self.heard.append(f"{listening.type.name} {listening.getsockname()}")
                self._answer(listening)

    def _answer(self, listening: socket.socket) -> None:
        if listening.type == STREAM:
            listening.accept()[0].close()
        else:
            _, sender = listening.recvfrom(100)
            listening.sendto(b"answer", sender)


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_UNIX))]
        sockets[0].bind(f"\0{ABSTRACT}")
        sockets[0].listen()
        for host in LOOPBACK:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            tcp = stack.enter_context(socket.create_server((host, 0), family=family))
            udp = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            udp.bind(tcp.getsockname())
            sockets += [tcp, udp]
        end, ending = map(stack.enter_context, socket.socketpair())
        made = Listeners(sockets, end)
        made.start()
        yield made
        ending.close()
        made.join()


def addresses_of_the_host(host: NestedHost) -> list[str]:
    """Without those of loopback, which every namespace has."""
    shown = host.run(["hostname", "--all-ip-addresses"]).stdout
    return [address for address in shown.split() if not address.startswith("127.")]


def test_the_attempts_reach_what_listens(inside: Contained, listeners: Listeners) -> None:
    reached = listeners.reached
    outcomes = inside.attempt_outside(MODULE, reached=reached, names=[ABSTRACT], inside=False)
    assert not_done(outcomes) == {}
    assert len(set(listeners.heard)) == 2 * len(LOOPBACK) + 1


@pytest.mark.parametrize("user", USERS)
def test_nothing_of_the_host_answers(inside: Contained, listeners: Listeners, user: str) -> None:
    reached = listeners.reached
    outcomes = inside.attempt(user, MODULE, reached=reached, names=[ABSTRACT], inside=True)
    assert not_refused(outcomes, REFUSALS) == {}
    assert listeners.heard == []


@pytest.mark.parametrize("user", USERS)
def test_no_way_to_the_hosts_other_addresses(inside: Contained, user: str) -> None:
    reached = [(address, 9) for address in addresses_of_the_host(inside.host)]
    reached += [("192.0.2.1", 80), ("169.254.169.254", 80), ("2001:db8::1", 80), ("10.0.0.1", 80)]
    outcomes = inside.attempt(user, MODULE, reached=reached, names=[], inside=False)
    assert not_refused(outcomes, {"ENETUNREACH"}) == {}


@pytest.mark.parametrize("user", USERS)
def test_only_its_own_loopback(inside: Contained, user: str) -> None:
    shown = inside.run(
        user, ["/bin/sh", "-c", "cat /proc/net/dev /proc/net/route; ls /sys/class/net"]
    )
    named = {line.split(":")[0].strip() for line in shown.splitlines() if ":" in line}
    assert named == {"lo"}
    assert shown.splitlines()[-1] == "lo"
    assert "\nIface" in shown  # then come routes, of which there is none
    assert "00000000" not in shown


def test_no_name_is_resolved(inside: Contained) -> None:
    asking = "import socket; socket.getaddrinfo('localhost.example.com', 80)"
    shown = inside.run("agent", ["/usr/bin/python3", "-I", "-c", asking], check=False)
    assert shown == ""


@pytest.mark.parametrize("user", USERS)
def test_no_socket_of_the_host_is_seen(inside: Contained, listeners: Listeners, user: str) -> None:
    assert listeners.reached
    assert ABSTRACT in inside.host.run(["cat", "/proc/net/unix"]).stdout
    assert ABSTRACT not in inside.run(user, ["cat", "/proc/net/unix"])
