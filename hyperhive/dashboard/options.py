"""What the dashboard is told when it is made, and under which addresses it answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from hyperhive.hive.gauge import Gauge
from hyperhive.hive.hive import Hive
from hyperhive.hive.terminals import Terminals
from hyperhive.protocol.errors import InvalidField

_ADDRESS = re.compile(r"(?:(https?)://)?((?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardOptions:
    """`port` is the one really listened on. `allowed_hosts` are further `host`, `host:port` or,
    behind a proxy that speaks TLS, `https://host`, as they stand in the browser's address bar."""

    host: str
    port: int
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = None
    """A fixed secret that logs in as a code does, and as bearer token of programs that watch."""
    warnings: tuple[str, ...] = ()
    runtime_kind: str
    push: Callable[[str, str], bool]
    """Send a hint down an agent's link; False when it has none."""
    terminals: Terminals
    gauge: Gauge
    logs: Callable[[str, int], Awaitable[Sequence[str]]]
    """The last lines that an agent's harness wrote, oldest first."""

    def origins(self) -> dict[str, str]:
        """Value of a Host header -> the one origin (RFC 6454) that belongs to it.

        Raises InvalidField for an entry of `allowed_hosts` that is no address.
        """
        own = [f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")]
        found = dict(_origin(name, "host") for name in own)
        for index, name in enumerate(self.allowed_hosts):
            host, origin = _origin(name.lower(), f"dashboard.allowedHosts[{index}]")
            found[host] = origin
        return found


def _origin(address: str, field: str) -> tuple[str, str]:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise InvalidField(field, "must be a host, host:port, or https://host[:port]")
    scheme = match[1] or "http"
    host = match[2].removesuffix(_DEFAULT_PORTS[scheme])  # browsers leave the default port out
    return host, f"{scheme}://{host}"


HIVE = web.AppKey("hive", Hive)
OPTIONS = web.AppKey("options", DashboardOptions)
