"""Asks the model gateway for more than a message, through the agent's own socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.host.attempts import Attempt

SOCKET = "/run/hive/hive.sock"
SECONDS = 10.0


def attempts(*, requests: Mapping[str, tuple[str, str, Any]]) -> dict[str, Attempt]:
    """Method, target and body of each; the outcome is the status with what it says."""
    return {name: partial(ask, *request) for name, request in requests.items()}


def ask(method: str, target: str, body: Any) -> str:
    data = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: api.anthropic.com\r\nx-api-key: placeholder\r\n"
        f"anthropic-version: 2023-06-01\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(SECONDS)
        asking.connect(SOCKET)
        asking.sendall(head.encode() + data)
        answer = b"".join(iter(partial(asking.recv, 65_536), b""))
    return answer.decode(errors="replace").partition(" ")[2]
