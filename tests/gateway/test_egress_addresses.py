"""Which addresses are refused, and how names become addresses on the host."""

import socket
from ipaddress import ip_address

import pytest

from hyperhive.gateway import egress_addresses
from hyperhive.gateway.egress_addresses import Addresses, is_refused
from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.protocol.hosts import parse_host_port

REFUSED = {
    "unspecified": ["0.0.0.0", "::", "0.1.2.3"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd12::1", "fc00::1"],
    "shared": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1", "198.19.255.255"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8"],
    "translated": ["64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "64:ff9b::808:808"],
    "tunnelled": ["2002:7f00:1::", "2001:0:7f00:1::", "2001:10::1", "192.88.99.1"],
    "metadata": ["168.63.129.16", "fd00:ec2::254"],
    "outside": ["4000::1", "100::1", "5f00::1", "e000::1"],
}


@pytest.mark.parametrize("address", [a for group in REFUSED.values() for a in group])
def test_what_is_refused(address: str) -> None:
    assert is_refused(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "168.63.129.17", "2606:4700::1111"],
)
def test_what_is_not(address: str) -> None:
    assert not is_refused(ip_address(address))


def test_addresses_of_this_host_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were loopback public, the host would still be known by it."""
    monkeypatch.setattr(egress_addresses, "_is_public", lambda address: True)
    assert is_refused(ip_address("127.0.0.1"))
    assert is_refused(ip_address("::1"))
    assert not is_refused(ip_address("8.8.8.8"))
    if own := _own_address():
        assert is_refused(ip_address(own))


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


async def refusal(addresses: Addresses, target: str) -> EgressRefused:
    with pytest.raises(EgressRefused) as refused:
        await addresses.of(parse_host_port(target), 1)
    return refused.value


async def test_the_hosts_own_resolver_is_asked() -> None:
    """`localhost` is in every host's files; it leads where nobody may go."""
    assert (await refusal(Addresses(), "localhost:80")).status in (403, 502)
    assert (await refusal(Addresses(), "name.invalid:80")).status == 502


async def test_a_name_without_addresses() -> None:
    async def nothing(name: str, agent_id: int) -> list[str]:
        return []

    assert (await refusal(Addresses(nothing), "www.example:80")).status == 403
