"""Ways to the network: what answers, and what could be set up so that it does."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from tests.host.attempts import Attempt

SECONDS = 1.0
TUNSETIFF, SIOCADDRT, SIOCSIFADDR = 0x400454CA, 0x890B, 0x8916
TUN = struct.pack("16sH22x", b"way-out", 0x1001)
VSOCK_HOST, VSOCK_LOCAL = 2, 1

# With every capability there is, in a network namespace of one's own.
THROUGH_A_TUNNEL = """
ip link set lo up
ip tuntap add way-out mode tun
ip address add 10.9.9.1/24 dev way-out
ip link set way-out up
ip route add default dev way-out
"""


def attempts(
    *, reached: Sequence[tuple[str, int]], names: Sequence[str], inside: bool
) -> dict[str, Attempt]:
    """`reached` are addresses and ports, `names` abstract sockets, that answer on the host."""
    made: dict[str, Attempt] = {}
    for host, port in reached:
        made[f"connect {host}"] = partial(connect, host, port)
        made[f"ask {host}"] = partial(ask, host, port)
    for name in names:
        made[f"abstract {name}"] = partial(abstract, name)
    if inside:
        made |= {
            **{f"vsock to {cid}": partial(vsock, cid) for cid in (VSOCK_HOST, VSOCK_LOCAL)},
            "vsock listener": vsock_listener,
            "packet socket": partial(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0x300),
            "raw socket": partial(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1),
            "raw v6 socket": partial(socket.socket, socket.AF_INET6, socket.SOCK_RAW, 58),
            "crypto socket": partial(socket.socket, socket.AF_ALG, socket.SOCK_SEQPACKET),
            "a tunnel": tunnel,
            "an address": partial(configure, SIOCSIFADDR, b"lo"),
            "a route": partial(configure, SIOCADDRT, b""),
        }
        host, port = reached[-1]
        made["through a namespace of one's own"] = partial(nested, host, port)
    return made


def connect(host: str, port: int) -> None:
    with socket.create_connection((host, port), SECONDS):
        pass


def ask(host: str, port: int) -> None:
    """By UDP; nobody there shows at the second datagram, by an answer of ICMP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(SECONDS)
        asking.connect((host, port))
        asking.send(b"question")
        asking.recv(10)


def abstract(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect(f"\0{name}")


def vsock(cid: int) -> None:
    """Refused by who listens there is reached, too."""
    with socket.socket(socket.AF_VSOCK) as connecting:
        connecting.settimeout(SECONDS)
        connecting.connect((cid, 22))


def vsock_listener() -> None:
    with socket.socket(socket.AF_VSOCK) as listening:
        listening.bind((socket.VMADDR_CID_ANY, 4242))
        listening.listen()


def tunnel() -> None:
    with open("/dev/net/tun", "r+b", buffering=0) as device:
        fcntl.ioctl(device, TUNSETIFF, TUN)


def configure(request: int, name: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, request, name.ljust(120, b"\0"))


def nested(host: str, port: int) -> None:
    """Raises what the connection raised, or ENETUNREACH where no such namespace can be had."""
    source = f"import socket; socket.create_connection(({host!r}, {port}), {SECONDS})"
    script = f'{THROUGH_A_TUNNEL}\nexec "$0" -I -c "$1"'
    argv = ["unshare", "--user", "--map-root-user", "--net", "/bin/sh", "-c", script]
    done = subprocess.run(
        [*argv, sys.executable, source], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(101, done.stderr)
