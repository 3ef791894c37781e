"""Ways to files of the host and of others, and to the socket's own directory."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from functools import partial

from tests.host.attempts import Attempt, write

HIVE = "/run/hive"
SOCKET = f"{HIVE}/hive.sock"
DOORS = (
    "",
    "/proc/1/root",
    "/proc/self/cwd/../../../..",
    "/run/host",
    "/run/host/incoming",
    "/dev/fd/0/..",
)


def attempts(*, files: Sequence[str], sockets: Sequence[str], own: bool) -> dict[str, Attempt]:
    """`own` also tries what could be done to the agent's own socket."""
    made: dict[str, Attempt] = {}
    for path in files:
        for door in DOORS if own else DOORS[:2]:
            made[f"read {door}{path}"] = partial(read, door + path)
    made |= {f"connect {path}": partial(connect, path) for path in sockets}
    if own:
        made |= {
            "replace by rename": replace,
            "unlink": partial(os.unlink, SOCKET),
            "rename": partial(os.rename, SOCKET, f"{HIVE}/other.sock"),
            "link": partial(os.link, SOCKET, f"{HIVE}/other.sock"),
            "link elsewhere": partial(os.link, SOCKET, "/state/other.sock"),
            "symlink": partial(os.symlink, "/tmp", f"{HIVE}/symlink"),
            "mode": partial(os.chmod, SOCKET, 0o777),
            "mode of the directory": partial(os.chmod, HIVE, 0o777),
            "owner": partial(os.chown, SOCKET, 0, 0),
            "times": partial(os.utime, SOCKET),
            "attribute": partial(os.setxattr, SOCKET, "user.x", b"1"),
            "another socket": bind,
            "a file": partial(write, f"{HIVE}/file", b"", os.O_CREAT),
            "a directory": partial(os.mkdir, f"{HIVE}/directory"),
            "a directory in its place": partial(os.rename, "/tmp", HIVE),
            "no directory": partial(os.rmdir, HIVE),
        }
    return made


def read(path: str) -> None:
    """Or list."""
    if os.path.isdir(path):
        os.listdir(path)
    else:
        with open(path, "rb") as file:
            file.read(1)


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.settimeout(2)
        connecting.connect(path)


def bind() -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{HIVE}/second.sock")


def replace() -> None:
    fresh = "/state/hive.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        if os.path.lexists(fresh):
            os.unlink(fresh)
        listening.bind(fresh)
    try:
        os.rename(fresh, SOCKET)
    except OSError as error:
        if error.errno != 18:  # EXDEV: of course another file system
            raise
        shutil.copymode(fresh, SOCKET)
