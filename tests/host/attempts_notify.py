"""Tells the host's service manager what only PID 1 may tell systemd-nspawn, and more."""

from __future__ import annotations

import os
import socket
import struct
from functools import partial

from tests.host.attempts import Attempt

NOTIFY = "/run/host/notify"
NEWS = (
    b"READY=1\nMAINPID=1\nSTOPPING=1\nRELOADING=1\nFDSTORE=1\nFDNAME=way-out\nWATCHDOG=trigger\n"
    b"ERRNO=5\nBUSERROR=org.example\nEXTEND_TIMEOUT_USEC=999999999\nSTATUS=way-out %d"
)


def attempts() -> dict[str, Attempt]:
    """As what it is, and as PID 1, which root of a PID namespace can claim to be (unix(7))."""
    return {"as itself": partial(tell, os.getpid()), "as PID 1": partial(tell, 1)}


def tell(pid: int) -> None:
    credentials = struct.pack("iii", pid, os.getuid(), os.getgid())
    descriptor = struct.pack("i", 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        telling.sendmsg(
            [NEWS % pid],
            [
                (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials),
                (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor),
            ],
            0,
            NOTIFY,
        )
