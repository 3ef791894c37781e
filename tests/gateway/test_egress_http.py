"""Requests for `http://...` through an agent's socket: what arrives there, what comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hyperhive.gateway.limits import EgressLimits
from tests.gateway.far_away import Net, Serve, http_server, net, tcp_server
from tests.support.net import free_port
from tests.support.wait import wait_for


class Seen:
    """A web server that tells what it got, and does what the path says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, list[tuple[str, str]], bytes]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.raw_path, [*request.headers.items()], body))
        return web.Response(
            status=418,
            reason="As You Like",
            body=b"\x1f\x8b not unpacked",
            headers=[
                ("Set-Cookie", "a=1"),
                ("Set-Cookie", "b=2"),
                ("Content-Encoding", "gzip"),
                ("Proxy-Authenticate", "Basic"),
                ("Keep-Alive", "timeout=5"),
                ("Connection", "X-Private"),
                ("X-Private", "of this connection"),
            ],
        )


@asynccontextmanager
async def web_net(tmp_path: Path, socket_dir: Path) -> AsyncIterator[tuple[Net, str, Seen]]:
    """With `www.example:PORT`, which alice may reach."""
    seen = Seen()
    async with (
        http_server(seen.answer) as port,
        net(tmp_path, socket_dir, f"www.example:{port}") as n,
    ):
        yield n, f"www.example:{port}", seen


async def test_a_request_is_asked_anew(tmp_path: Path, socket_dir: Path) -> None:
    async with web_net(tmp_path, socket_dir) as (n, host, seen):
        answer = await n.world.client("alice").bytes_out(
            f"POST http://{host.upper()}/a%2Fb/../c?x=%41&y=|' HTTP/1.1\r\n"
            "Host: evil.example\r\n"
            "Content-Length: 4\r\n"
            "Connection: keep-alive, X-Hop, Content-Length\r\n"
            "Proxy-Authorization: Basic c2VjcmV0\r\n"
            "Proxy-Connection: keep-alive\r\n"
            "TE: trailers\r\n"
            "Upgrade: h2c\r\n"
            "X-Hop: 1\r\n"
            "X-Twice: 1\r\n"
            "X-Twice: 2\r\n"
            "Cookie: c=3\r\n"
            "\r\nbody".encode()
        )
        method, path, headers, body = seen.requests[0]
        assert (method, path, body) == ("POST", "/a%2Fb/../c?x=%41&y=|'", b"body")
        assert headers == [
            ("Host", host),
            ("Content-Length", "4"),
            ("X-Twice", "1"),
            ("X-Twice", "2"),
            ("Cookie", "c=3"),
            ("Connection", "close"),
        ]
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 418 As You Like"
        assert {"Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Encoding: gzip"} <= {*lines}
        assert "Connection: close" in lines
        assert not {"proxy-authenticate", "keep-alive", "x-private"} & {
            line.split(":")[0].lower() for line in lines
        }
        assert rest == b"\x1f\x8b not unpacked"
        await wait_for(lambda: n.passages == [])


async def test_programs_get_their_answers(tmp_path: Path, socket_dir: Path) -> None:
    async with web_net(tmp_path, socket_dir) as (n, host, seen):
        for method, body in (("GET", None), ("HEAD", None), ("PUT", b"x" * 100_000)):
            data = f"{method} http://{host} HTTP/1.1\r\nHost: {host}\r\n".encode()
            if body:
                data += b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
                data += b"186a0\r\n" + body + b"\r\n0\r\n"
            answer = await n.world.client("alice").bytes_out(data + b"\r\n")
            assert b"HTTP/1.1 418 As You Like\r\n" in answer
            assert answer.endswith(b"not unpacked") == (method != "HEAD")
        assert [(r[0], r[1], r[3]) for r in seen.requests] == [
            ("GET", "/", b""),
            ("HEAD", "/", b""),
            ("PUT", "/", b"x" * 100_000),
        ]


MALFORMED = {
    "two hosts": "GET http://{} HTTP/1.1\r\nHost: {}\r\nHost: b\r\n\r\n",
    "folded": "GET http://{} HTTP/1.1\r\nHost: {}\r\nX: a\r\n b\r\n\r\n",
    "both lengths": (
        "POST http://{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "two lengths": (
        "POST http://{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "user": "GET http://user:word@{} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "other host behind a user": "GET http://{}@evil.example/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "backslash": "GET http://{}\\@evil.example/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "fragment": "GET http://{}#@evil.example/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "encoded": "GET http://www%2eexample/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "no host": "GET http:///path HTTP/1.1\r\nHost: {}\r\n\r\n",
    "empty port": "GET http://www.example:/path HTTP/1.1\r\nHost: {}\r\n\r\n",
    "port 0": "GET http://www.example:0/path HTTP/1.1\r\nHost: {}\r\n\r\n",
    "port 65536": "GET http://www.example:65536/path HTTP/1.1\r\nHost: {}\r\n\r\n",
    "zone": "GET http://[fe80::1%25eth0]/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "octal": "GET http://0177.0.0.1/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "https": "GET https://{}/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "ftp": "GET ftp://{}/ HTTP/1.1\r\nHost: {}\r\n\r\n",
    "file": "GET file:///etc/passwd HTTP/1.1\r\nHost: {}\r\n\r\n",
    "trace": "TRACE http://{} HTTP/1.1\r\nHost: {}\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_has_two_readings_is_refused(
    tmp_path: Path, socket_dir: Path, data: str
) -> None:
    async with web_net(tmp_path, socket_dir) as (n, host, seen):
        answer = await n.world.client("alice").bytes_out(data.replace("{}", host).encode())
        assert answer.split(b" ")[1] == b"400", answer
        assert answer.count(b"HTTP/1.") == 1
        assert seen.requests == []
        assert n.names.asked == []


async def test_what_follows_a_request_is_not_another_one(tmp_path: Path, socket_dir: Path) -> None:
    """Each answer ends its connection: nothing smuggled behind a body is read as a request."""
    async with web_net(tmp_path, socket_dir) as (n, host, seen):
        first = f"GET http://{host}/first HTTP/1.1\r\nHost: {host}\r\n\r\n"
        both = first + first.replace("first", "second")
        answer = await n.world.client("alice").bytes_out(both.encode())
        assert answer.count(b"HTTP/1.1 418") == 1
        assert [r[1] for r in seen.requests] == ["/first"]


async def test_the_agents_own_routes_are_not_reached_by_a_name(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with net(tmp_path, socket_dir) as n:
        for path in ("/v1/whoami", "/v1/messages", "/v1/link"):
            request = f"POST http://hive{path} HTTP/1.1\r\nHost: hive\r\n\r\n"
            answer = await n.world.client("alice").bytes_out(request.encode())
            assert answer.startswith(b"HTTP/1.1 403 hyperhive: hive:80 is not allowed; ask ")
            assert answer.endswith(b"ask the operator to add hive:80 to egress.allow\n")


def says(data: bytes) -> Serve:
    """Reads a request's head, answers with these bytes, and ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return serve


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 502),
        (b"SSH-2.0-x\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 502),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 502),
    ],
    ids=["nothing", "another protocol", "switching", "two lengths", "long"],
)
async def test_a_server_that_does_not_speak_http(
    tmp_path: Path, socket_dir: Path, data: bytes, status: int
) -> None:
    async with (
        tcp_server(says(data)) as port,
        net(tmp_path, socket_dir, f"www.example:{port}") as n,
    ):
        request = f"GET http://www.example:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = await n.world.client("alice").bytes_out(request.encode())
        assert answer.startswith(f"HTTP/1.1 {status} hyperhive: ".encode()), answer


async def test_letters_of_other_encodings_and_odd_answers_pass(
    tmp_path: Path, socket_dir: Path
) -> None:
    odd = b"HTTP/1.1 999 n\xe9\r\nX-Latin: caf\xe9\r\nX-New: \xc3\xa9\r\nX-None:\r\n\r\nbody"
    async with tcp_server(says(odd)) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        request = f"GET http://www.example:{port}/ HTTP/1.1\r\nHost: x\r\n".encode()
        answer = await n.world.client("alice").bytes_out(request + b"X: \xe9\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 999 ")
        assert {b"X-Latin: caf\xc3\xa9", b"X-New: \xc3\xa9"} <= {*head.split(b"\r\n")}
        assert body.endswith(b"body") or b"4\r\nbody\r\n0" in body


async def test_an_answer_that_breaks_off_is_cut_off(tmp_path: Path, socket_dir: Path) -> None:
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    async with (
        tcp_server(says(part)) as port,
        net(tmp_path, socket_dir, f"www.example:{port}") as n,
    ):
        async with n.world.client("alice").http() as http:
            with pytest.raises(aiohttp.ClientPayloadError):
                await (await http.get(f"http://www.example:{port}/", proxy="http://proxy")).read()
        await wait_for(lambda: n.passages == [])


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_server_that_says_nothing_and_one_that_is_not_there(
    tmp_path: Path, socket_dir: Path
) -> None:
    limits, nobody = EgressLimits(idle_seconds=0.2), free_port()
    async with tcp_server(hang) as port:
        targets = f"www.example:{port}", f"www.example:{nobody}"
        async with net(tmp_path, socket_dir, *targets, limits=limits) as n:
            for target, status in zip(targets, (504, 502), strict=True):
                request = f"GET http://{target}/ HTTP/1.1\r\nHost: x\r\n\r\n"
                answer = await n.world.client("alice").bytes_out(request.encode())
                assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_client_that_leaves_ends_the_request(tmp_path: Path, socket_dir: Path) -> None:
    async with tcp_server(hang) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        _, writer = await asyncio.open_unix_connection(str(n.world.socket("alice")))
        writer.write(f"GET http://www.example:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await wait_for(lambda: n.passages)
        writer.close()
        await writer.wait_closed()
        await wait_for(lambda: not n.passages)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def test_an_answer_that_nobody_reads_is_not_collected(
    tmp_path: Path, socket_dir: Path
) -> None:
    limits = EgressLimits(idle_seconds=0.5)
    async with (
        tcp_server(endless) as port,
        net(tmp_path, socket_dir, f"www.example:{port}", limits=limits) as n,
    ):
        _, writer = await asyncio.open_unix_connection(str(n.world.socket("alice")))
        writer.write(f"GET http://www.example:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        (passage,) = await wait_for(lambda: n.passages)
        await wait_for(lambda: not n.passages)
        assert 0 < passage.received < 2 * 2**20
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
