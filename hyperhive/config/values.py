"""Kinds of values that only the configuration file has."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from hyperhive.protocol.schema import Check, Range, Text

Money = Annotated[float, Range(0, 1_000_000)]
MAX_RUN_DIR = 107 - len("/agents/" + 20 * "n" + "/hive.sock")
"""Bytes, since a socket's path ends at 107 (unix(7))."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def _path_problem(value: str) -> str | None:
    if not value.startswith("/"):
        return "must be an absolute path"
    return "must not contain `..`" if ".." in value.split("/") else None


FilePath = Annotated[str, Text(max=4_000), Check(_path_problem)]


def _run_dir_problem(value: str) -> str | None:
    if len(value.encode()) > MAX_RUN_DIR:
        return f"must have at most {MAX_RUN_DIR} bytes, or the paths of sockets get too long"
    return None


def _upstream_problem(value: str) -> str | None:
    """The key goes there: only to a host over TLS, or to this machine."""
    if value.startswith("unix:/"):
        return None
    try:
        url = urlsplit(value)
        to_itself = url.hostname in LOOPBACK and url.port is not None
    except ValueError:
        url, to_itself = urlsplit(""), False
    plain = not (url.query or url.fragment or "@" in url.netloc or any(c.isspace() for c in value))
    if plain and url.hostname and (url.scheme == "https" or (url.scheme == "http" and to_itself)):
        return None
    return "must be https://HOST, or for tests http://127.0.0.1:PORT or unix:/PATH"


Granted = Annotated[
    str,
    Text(
        pattern="manage",
        problem="must be `manage`; what proposes for itself has the option `selfPropose: true`",
    ),
]
RunDir = Annotated[FilePath, Check(_run_dir_problem)]
Upstream = Annotated[str, Text(max=1_000), Check(_upstream_problem)]
Address = Annotated[
    str,
    Text(
        max=300,
        pattern=r"(https?://)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?",
        problem="must be a host, host:port, or https://host[:port]",
    ),
]
