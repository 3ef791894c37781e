"""Hosts and ports as an allow-list names them and as requests ask for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_MAX_NAME = 253
# What inet_aton(3) takes for a number, so that `127.1` and `0x7f000001` would be addresses.
_ENDS_IN_A_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_WILDCARD = "*."


@dataclass(frozen=True, slots=True)
class HostPort:
    """`host` in the one form that is compared: a lower-case name in ASCII, or an address."""

    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """Of a host that was given as an address; None for a name."""
        return _address(f"[{self.host}]" if ":" in self.host else self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str) -> HostPort:
    """`host:port`; IPv6 in brackets, and names outside ASCII as `xn--`. Raises ValueError.

    Nothing is mapped but upper case and one dot at the end: what else would have to be guessed at
    (digits of other scripts, short or octal addresses, zones) is refused.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("must be host:port")
    return HostPort(_canonical(host), _port(port))


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 0 < int(text) < 65_536:
        raise ValueError("must have a port from 1 to 65535")
    return int(text)


def _canonical(host: str) -> str:
    if not host.isascii():
        raise ValueError("must be in ASCII: `xn--...` for a name with other letters")
    if address := _address(host):
        return str(address)
    name = host.lower().removesuffix(".")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name) or _ENDS_IN_A_NUMBER.fullmatch(name):
        raise ValueError("must be the name of a host, an IPv4 address or [an IPv6 address]")
    return name


def _address(host: str) -> Address | None:
    """IPv4 as four decimal numbers, IPv6 in brackets and without a zone."""
    try:
        if host.startswith("[") and host.endswith("]") and "%" not in host:
            return IPv6Address(host[1:-1])
        return IPv4Address(host)
    except ValueError:
        return None


def entry_problem(entry: str) -> str | None:
    """What is wrong with an entry of an allow-list, or None. `*.` stands for all sub-domains."""
    try:
        target = parse_host_port(entry.removeprefix(_WILDCARD))
    except ValueError:
        return "must be host:port, such as `pypi.example:443` or `*.example.org:443`"
    if entry.startswith(_WILDCARD) and target.address:
        return "an address has no sub-domains"
    return None


def covers(entry: str, target: HostPort) -> bool:
    """Whether an entry without a problem allows this; a wildcard not the domain itself."""
    allowed = parse_host_port(entry.removeprefix(_WILDCARD))
    if not entry.startswith(_WILDCARD):
        return allowed == target
    below = target.address is None and target.host.endswith(f".{allowed.host}")
    return below and allowed.port == target.port
