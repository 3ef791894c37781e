"""Hosts and ports: one form for each, and what could be read in two ways is refused."""

from ipaddress import ip_address

import pytest

from hyperhive.protocol.hosts import HostPort, covers, entry_problem, parse_host_port


@pytest.mark.parametrize(
    ("text", "host", "shown"),
    [
        ("www.example.org:443", "www.example.org", "www.example.org:443"),
        ("WWW.Example.ORG.:443", "www.example.org", "www.example.org:443"),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example", "xn--bcher-kva.example:443"),
        ("localhost:443", "localhost", "localhost:443"),
        ("3com.example:443", "3com.example", "3com.example:443"),
        ("192.0.2.1:443", "192.0.2.1", "192.0.2.1:443"),
        ("[2001:DB8:0::1]:443", "2001:db8::1", "[2001:db8::1]:443"),
        ("[::FFFF:192.0.2.1]:443", "::ffff:c000:201", "[::ffff:c000:201]:443"),
    ],
)
def test_one_form(text: str, host: str, shown: str) -> None:
    found = parse_host_port(text)
    assert (found.host, found.port) == (host, 443)
    assert parse_host_port(shown) == found
    if found.address is None:
        assert str(found) == shown
    else:
        assert ip_address(found.host) == found.address
        assert parse_host_port(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":443", "a", "a:", "a:0", "a:65536", "a:+1", "a: 1", "a:1 ", "a:1\n", "a:٤٤٣"),
        *(".:1", "..:1", "a..b:1", ".a:1", "a..:1", "-a:1", "a-:1", "a_b:1", "a b:1", "a\0:1"),
        *(
            "bücher.example:1",
            "\uff41.example:1",
            "example。org:1",
            "\uff11\uff12\uff17.0.0.1:1",
            "a%2eb:1",
        ),
        *("127.1:1", "0177.0.0.1:1", "0x7f.0.0.1:1", "2130706433:1", "0x7f000001:1", "1.2.3.4.5:1"),
        *("127.0.0.1.:1", "256.0.0.1:1", "a.1:1", "a.0x:1", "::1:1", "[::1:1", "::1]:1", "[]:1"),
        *("[fe80::1%eth0]:1", "[fe80::1%25eth0]:1", "[127.0.0.1]:1", "[a]:1", "user@a:1", "a/b:1"),
        *("*:1", "*.a:1", f"{'a' * 64}:1", f"{'a.' * 127}ab:1"),
    ],
)
def test_what_has_two_readings_or_none(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_host_port(text)


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        *(("a.example:443", True), ("*.a.example:443", True), ("[2001:db8::1]:443", True)),
        *(("192.0.2.1:443", True), ("*.192.0.2.1:443", False), ("*.[::1]:443", False)),
        *(("*:443", False), ("*", False), ("a.*.example:443", False), ("**.example:443", False)),
        *(("*a.example:443", False), ("a.example", False), ("http://a.example:443", False)),
    ],
)
def test_entries(entry: str, right: bool) -> None:
    assert (entry_problem(entry) is None) == right


@pytest.mark.parametrize(
    ("entry", "covered", "not_covered"),
    [
        ("A.Example.:443", ["a.example:443"], ["a.example:80", "b.a.example:443", "example:443"]),
        (
            "*.example.org:443",
            ["a.example.org:443", "a.b.example.org:443"],
            ["example.org:443", "evilexample.org:443", "example.org.evil:443", "a.example.org:80"],
        ),
        ("[2001:0db8::1]:443", ["[2001:db8::1]:443"], ["[2001:db8::2]:443", "a.example:443"]),
        ("192.0.2.1:443", ["192.0.2.1:443"], ["[::ffff:192.0.2.1]:443"]),
    ],
)
def test_what_an_entry_covers(entry: str, covered: list[str], not_covered: list[str]) -> None:
    for text in covered:
        assert covers(entry, parse_host_port(text)), text
    for text in not_covered:
        assert not covers(entry, parse_host_port(text)), text


def test_shown() -> None:
    assert str(HostPort("a.example", 1)) == "a.example:1"
    assert str(HostPort("::1", 1)) == "[::1]:1"
