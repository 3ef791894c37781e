"""Finds out which user holds the other end of a loopback TCP connection."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

Address = tuple[str, int]

# Columns of proc_pid_net(5), `tcp`.
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9


def owner_of_connection(local: Address, remote: Address) -> int | None:
    """The uid of the socket bound to `local` and connected to `remote`, both IPv4 and of this host.

    None when there is none, or when nobody holds it any more: the kernel shows such a socket,
    closed by its process but not yet gone, with uid 0 and inode 0.
    """
    wanted = [_as_in_proc(local), _as_in_proc(remote)]
    with Path("/proc/self/net/tcp").open(encoding="ascii") as table:
        for row in table:
            fields = row.split()
            if fields[_LOCAL : _REMOTE + 1] == wanted:
                return int(fields[_UID]) if fields[_INODE] != "0" else None
    return None


def _as_in_proc(address: Address) -> str:
    """The kernel prints the four address bytes as one number of its own byte order."""
    host, port = address
    number = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    return f"{number:08X}:{port:04X}"
