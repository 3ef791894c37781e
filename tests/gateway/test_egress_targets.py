"""Reading what a request asks for: thousands of damaged ones, and no second reading of any."""

import random
from pathlib import Path

import pytest

from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.gateway.egress_targets import absolute_target, connect_target
from hyperhive.protocol.hosts import HostPort, parse_host_port
from tests.gateway.far_away import net

HEAD = b"CONNECT www.example:443 HTTP/1.1\r\nHost: www.example:443\r\nUser-Agent: x/1\r\n\r\n"
URL = "http://www.example:8080/a?b=c"
PIECES = [
    "\r\n",
    "\n",
    "\0",
    " ",
    ":",
    "@",
    "/",
    "\\",
    "#",
    "?",
    "%2e",
    "[::1]",
    "*",
    "é",
    "..",
    "0",
]
ROUNDS = 5_000


@pytest.mark.parametrize(
    ("text", "target", "rest"),
    [
        ("http://www.example", "www.example:80", "/"),
        ("HTTP://WWW.Example:80/", "www.example:80", "/"),
        ("http://www.example?q", "www.example:80", "/?q"),
        ("http://[2001:DB8::1]/a", "[2001:db8::1]:80", "/a"),
        ("http://[2001:db8::1]:81/a//b/../c;d", "[2001:db8::1]:81", "/a//b/../c;d"),
        ("http://192.0.2.1:81/@:80", "192.0.2.1:81", "/@:80"),
    ],
)
def test_what_is_asked_for(text: str, target: str, rest: str) -> None:
    assert absolute_target(text) == (parse_host_port(target), rest)


def test_an_empty_body_is_none() -> None:
    head = HEAD.replace(b"User-Agent: x/1", b"Content-Length: 0")
    assert connect_target(head) == HostPort("www.example", 443)


def damaged(dice: random.Random, text: str) -> str:
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(text))
        cut = dice.choice((0, 0, 1, 3))
        text = text[:place] + dice.choice(PIECES) + text[place + cut :]
    return text


def test_damaged_heads_name_what_they_say_or_nothing() -> None:
    dice, refused = random.Random(1), 0
    for _ in range(ROUNDS):
        head = damaged(dice, HEAD[:-4].decode()).encode() + b"\r\n\r\n"
        try:
            target = connect_target(head)
        except EgressRefused:
            refused += 1
        else:
            asked = head.split(b" ")[1].decode()
            assert parse_host_port(asked) == target
            assert parse_host_port(str(target)) == target
            assert not {"@", "%", "\\", "/", "*"} & {*asked}
    assert ROUNDS / 2 < refused < ROUNDS


def test_damaged_urls_name_what_they_say_or_nothing() -> None:
    dice, refused = random.Random(2), 0
    for _ in range(ROUNDS):
        text = damaged(dice, URL)
        try:
            target, rest = absolute_target(text)
        except EgressRefused:
            refused += 1
        else:
            authority = text[len("http://") :].partition("/")[0].partition("?")[0]
            with_port = authority if authority.rpartition(":")[2].isdecimal() else f"{authority}:80"
            assert parse_host_port(with_port) == target
            assert rest.startswith("/")
            assert rest.isascii()
            assert rest.isprintable()
            assert not {" ", "#"} & {*rest}
    assert ROUNDS / 4 < refused < ROUNDS


async def test_damaged_requests_on_the_socket(tmp_path: Path, socket_dir: Path) -> None:
    """Whatever comes is answered or cut off; nothing is looked up, connected or logged for it."""
    dice = random.Random(3)
    async with net(tmp_path, socket_dir) as n:
        for number in range(300):
            plain = f"GET {URL} HTTP/1.1\r\nHost: x\r\n\r\n"
            text = damaged(dice, HEAD.decode() if number % 2 else plain)
            answer = await n.world.client("alice").bytes_out(text.encode(), end=True)
            assert answer[:7] in (b"", b"HTTP/1."), answer
            assert not answer or answer.split(b" ")[1] in (b"400", b"403", b"404", b"408"), answer
        assert n.names.asked == []
        assert n.passages == []
        assert (await n.world.client("alice").call("whoami"))["name"] == "alice"
