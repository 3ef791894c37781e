"""Addresses for tests: a free loopback port, a directory whose socket paths are short enough."""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    """A loopback TCP port that nobody listens on now; nothing reserves it, so bind it soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory for unix sockets: their paths end at 107 bytes (unix(7)), `tmp_path` is long."""
    directory = Path(tempfile.mkdtemp(prefix="hh-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
