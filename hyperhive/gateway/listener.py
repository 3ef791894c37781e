"""An agent's socket as a file: made so that it is never missing, dead, or somebody else's."""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

from hyperhive.protocol.errors import Unavailable

SOCKET_NAME = "hive.sock"
_FRESH = ".new"
_BACKLOG = 128


def listen(directory: Path) -> socket.socket:
    """Listen on `hive.sock` in `directory`, which is made if need be and belongs to us.

    The directory is bound into the container, so it outlives the service; a socket left by an
    earlier one is replaced in one step. Raises Unavailable.
    """
    try:
        _make_directory(directory)
        return _replace_socket(directory)
    except OSError as error:
        raise Unavailable(f"no socket in {directory}: {error}") from None


def _replace_socket(directory: Path) -> socket.socket:
    fresh = directory / _FRESH
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(str(fresh))
        fresh.chmod(0o666)  # whoever gets at it is checked when it connects
        listener.listen(_BACKLOG)
        fresh.rename(directory / SOCKET_NAME)
    except OSError:
        listener.close()
        raise
    return listener


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    directory.mkdir(mode=0o711, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Unavailable(f"{directory} is not a directory of ours; remove it")
    directory.chmod(0o711)


def remove(directory: Path) -> None:
    """Remove the socket and its directory; what is not there is fine. Raises Unavailable."""
    try:
        for name in (SOCKET_NAME, _FRESH):
            (directory / name).unlink(missing_ok=True)
        directory.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Unavailable(f"{directory} cannot be removed: {error}") from None


def peer_uid(connection: socket.socket) -> int:
    """The uid at the other end as seen from here (SO_PEERCRED, unix(7))."""
    ucred = struct.Struct("iII")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size)
    _, uid, _ = ucred.unpack(credentials)
    return int(uid)
