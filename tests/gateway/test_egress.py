"""What the proxy allows, how it refuses, what it records, and changes while it is at work."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.gateway.client import Client
from tests.gateway.far_away import Net, echo, http_server, net, tcp_server, tunnel
from tests.gateway.test_egress_http import Seen
from tests.support.wait import wait_for


async def refusal(n: Net, target: str, agent: str = "alice") -> bytes:
    """What CONNECT gets, head and body, until the host closes."""
    request = f"CONNECT {target} HTTP/1.1\r\n\r\n".encode()
    return await Client(n.world.socket(agent)).bytes_out(request)


@pytest.mark.parametrize(
    ("entry", "target"),
    [
        ("www.example:443", "www.example:444"),
        ("www.example:443", "example:443"),
        ("www.example:443", "evil-www.example:443"),
        ("www.example:443", "www.example.evil:443"),
        ("*.example.org:443", "example.org:443"),
        ("*.example.org:443", "evilexample.org:443"),
        ("*.example.org:443", "www.example.org.evil:443"),
        ("192.0.2.1:443", "192.0.2.2:443"),
        ("*.1.example:443", "127.0.0.1:443"),
    ],
)
async def test_what_is_not_listed_is_refused_before_anything_is_looked_up(
    tmp_path: Path, socket_dir: Path, entry: str, target: str
) -> None:
    async with net(tmp_path, socket_dir, entry) as n:
        line = (
            f"hyperhive: {target} is not allowed; ask the operator to add {target} to egress.allow"
        )
        body = f"{line}\n"
        assert (await refusal(n, target)).decode() == (
            f"HTTP/1.1 403 {line}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        )
        assert n.names.asked == []
        assert await n.audited() == [("alice", target)]


async def test_a_refusal_does_not_tell_whether_the_name_exists(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with net(tmp_path, socket_dir) as n:
        known, unknown = await refusal(n, "www.example:443"), await refusal(n, "zzz.example:443")
        assert known.replace(b"www", b"zzz") == unknown


async def test_an_agents_list_is_its_own(tmp_path: Path, socket_dir: Path) -> None:
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        assert b" 403 " in await refusal(n, f"www.example:{port}", "bob")
        assert await n.audited() == [("bob", f"www.example:{port}")]


@pytest.mark.parametrize(
    ("entry", "answers"),
    [
        ("127.0.0.2:80", None),
        ("[::1]:80", None),
        ("[::ffff:127.0.0.1]:80", None),
        ("169.254.169.254:80", None),
        ("inside.example:80", ["10.0.0.1", "fd00::1", "fe80::1%1"]),
        ("inside.example:80", ["64:ff9b::7f00:1"]),
    ],
)
async def test_addresses_that_are_not_public_are_refused_even_when_listed(
    tmp_path: Path, socket_dir: Path, entry: str, answers: list[str] | None
) -> None:
    async with net(tmp_path, socket_dir, entry) as n:
        n.names.known["inside.example"] = answers or []
        answer = await refusal(n, entry)
        assert answer.startswith(b"HTTP/1.1 403 hyperhive: ")
        assert b"has no public address" in answer
        ((actor, detail),) = await n.audited()
        assert (actor, detail.endswith(": no public address")) == ("alice", True)


async def test_of_several_addresses_the_public_one_is_used(
    tmp_path: Path, socket_dir: Path
) -> None:
    """And looked up once: what the name leads to a moment later is of no interest."""
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"mixed.example:{port}") as n:
        n.names.known["mixed.example"] = ["::1", "127.0.0.2", "10.0.0.1", "127.0.0.1"]
        async with tunnel(n.world.socket("alice"), f"mixed.example:{port}") as t:
            assert t.status == 200
            t.writer.write_eof()
            assert await t.reader.read() == b"the end"
        assert n.names.asked == ["mixed.example"]


async def test_wildcards_allow_sub_domains(tmp_path: Path, socket_dir: Path) -> None:
    seen = Seen()
    async with (
        http_server(seen.answer) as port,
        net(tmp_path, socket_dir, f"*.example:{port}") as n,
    ):
        n.names.known["a.b.example"] = ["127.0.0.1"]
        for name in ("www.example", "A.b.Example."):
            request = f"GET http://{name}:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"
            answer = await n.world.client("alice").bytes_out(request.encode())
            assert answer.startswith(b"HTTP/1.1 418 ")
        assert [dict(r[2])["Host"] for r in seen.requests] == [
            f"www.example:{port}",
            f"a.b.example:{port}",
        ]


async def test_new_settings_hold_at_once_and_for_what_is_open(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with tcp_server(echo) as port, net(tmp_path, socket_dir) as n:
        alice, target = n.world.socket("alice"), f"www.example:{port}"
        assert b" 403 " in await refusal(n, target)
        await n.allow(target, "other.example:443")
        async with tunnel(alice, target) as t:
            assert t.status == 200
            await n.allow(target)
            t.writer.write(b"still there")
            assert await t.reader.readexactly(11) == b"still there"
            await n.allow("other.example:443")
            assert await t.reader.read() == b""
        assert b" 403 " in await refusal(n, target)
        assert n.passages == []


async def test_an_agent_that_is_stopped_has_no_way_out(tmp_path: Path, socket_dir: Path) -> None:
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        await n.world.hive.agents.kill("alice")
        assert b" 403 " in await refusal(n, f"www.example:{port}")


async def test_a_loop_of_denied_requests_is_two_rows_and_slow(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with net(tmp_path, socket_dir) as n:
        for _ in range(12):
            await refusal(n, "www.example:443")
            request = b"GET http://www.example/ HTTP/1.1\r\nHost: x\r\n\r\n"
            assert b" 403 " in await n.world.client("alice").bytes_out(request)
        assert await n.audited() == [("alice", "www.example:443"), ("alice", "www.example:80")]
        events = await n.world.hive.store.read(lambda tx: tx.events.after(0, 1_000))
        counted = [e.data for e in events if e.kind == "egress_denied"]
        assert counted == [
            {"target": f"www.example:{port}", "count": count}
            for count in (1, 10)
            for port in (443, 80)
        ]


async def test_a_flood_waits_for_its_own_bucket(tmp_path: Path, socket_dir: Path) -> None:
    async with net(tmp_path, socket_dir) as n:
        door = n.world.gateway._doors["alice"]
        door._app._bucket._rate, door._app._bucket._burst, door._app._bucket._tokens = 50.0, 1, 1
        answers = await asyncio.gather(*(refusal(n, "www.example:443") for _ in range(20)))
        assert {answer.split(b" ")[1] for answer in answers} == {b"403", b"429"}
        assert (await n.world.client("bob").call("whoami"))["name"] == "bob"


async def test_everything_ends_with_the_gateway(tmp_path: Path, socket_dir: Path) -> None:
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        async with tunnel(n.world.socket("alice"), f"www.example:{port}") as t:
            await n.world.gateway.close("alice")
            with contextlib.suppress(ConnectionError):
                assert await t.reader.read() == b""
        await wait_for(lambda: n.passages == [])
