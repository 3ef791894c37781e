"""`hyperhive` for which every name leads to 127.0.0.1, and that is a public address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from hyperhive.cli import main
from hyperhive.gateway.egress import EgressProxy
from hyperhive.gateway.egress_addresses import Addresses, is_refused
from hyperhive.hive.egress import Egress
from hyperhive.protocol.hosts import Address
from hyperhive.service import run

INTERNET = "127.0.0.1"


async def resolve(name: str, agent_id: int) -> Sequence[str]:
    return [INTERNET]


def is_elsewhere(address: Address) -> bool:
    return address != ip_address(INTERNET) and is_refused(address)


def proxy(rules: Egress) -> EgressProxy:
    return EgressProxy(rules, Addresses(resolve, is_elsewhere))


vars(run)["EgressProxy"] = proxy

if __name__ == "__main__":
    main()
