"""Which addresses an agent may be connected to: those of the internet, and of no machine here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from ipaddress import IPv4Network, IPv6Network, ip_address

from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.gateway.egress_resolver import Resolver
from hyperhive.protocol.hosts import Address, HostPort

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, looked up for an agent by id. Raises OSError."""

RESOLVE_SECONDS = 10.0

# IANA's registries of special-purpose addresses; `ipaddress` knows them only as of its Python.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # how a machine in Azure talks to what runs it
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""All there is: mapped IPv4, NAT64, local and multicast addresses lie outside."""
_NOT_PUBLIC_V6 = tuple(
    # Teredo and other protocols, documentation, 6to4, which carries an IPv4 address
    IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_refused(address: Address) -> bool:
    """Whether no agent may be connected to it."""
    return not _is_public(address) or _is_of_this_host(address)


def _is_public(address: Address) -> bool:
    if address.version == 4:
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None or address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _NOT_PUBLIC_V6)


def _is_of_this_host(address: Address) -> bool:
    """A host with a public address listens there too, if only for its own network.

    A datagram socket sends nothing when it is connected, and gets the source address that the
    kernel would use: towards an address of its own, the very same (ip(7)).
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((str(address), 9))
            return bool(ip_address(probe.getsockname()[0]) == address)
    except OSError:
        return False  # no way there: it is not ours


class Addresses:
    """Finds the addresses to connect to, each checked; nothing is looked up again afterwards.

    `resolve` and `refused` are for tests, whose servers are on loopback.
    """

    def __init__(
        self, resolve: Resolve | None = None, refused: Callable[[Address], bool] = is_refused
    ) -> None:
        self._resolve = resolve or Resolver()
        self._refused = refused

    async def of(self, target: HostPort, agent_id: int) -> list[Address]:
        """At least one. Raises EgressRefused.

        Of a name with public and other addresses the public ones are used: behind NAT64 every name
        has both, and which one is connected to is decided here.
        """
        found = [target.address] if target.address else await self._look_up(target, agent_id)
        public = [address for address in found if not self._refused(address)]
        if not public:
            raise EgressRefused(403, f"{target} has no public address; others cannot be reached")
        return public

    async def _look_up(self, target: HostPort, agent_id: int) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                texts = await self._resolve(target.host, agent_id)
        except TimeoutError:
            raise EgressRefused(504, f"{target}: looking up the name took too long") from None
        except (OSError, UnicodeError):
            raise EgressRefused(502, f"{target}: the name cannot be looked up") from None
        return [ip_address(text) for text in dict.fromkeys(texts)]
