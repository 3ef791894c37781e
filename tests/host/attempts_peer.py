"""Asks at a socket as somebody with another uid: whether there is an answer decides."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.host.attempts import Attempt

REQUEST = b"POST /v1/whoami HTTP/1.1\r\nHost: hive\r\nContent-Length: 2\r\n\r\n{}"


def attempts(*, directory: str, uids: Sequence[int]) -> dict[str, Attempt]:
    return {str(uid): partial(ask_as, directory, uid) for uid in uids}


def ask_as(directory: str, uid: int) -> str:
    """From the directory itself, to which no other uid could pass."""
    os.chdir(directory)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(writing, ask().encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return answer.read() or "nothing"


def ask() -> str:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.settimeout(5)
        try:
            connecting.connect(Path("hive.sock").name)
            connecting.sendall(REQUEST)
            return connecting.recv(1000).decode().split("\r\n")[0] or "closed"
        except (BrokenPipeError, ConnectionResetError):
            return "closed"
