"""CONNECT: what goes through, how it ends, and what malformed requests get."""

import asyncio
from pathlib import Path

import pytest

from hyperhive.gateway.limits import EgressLimits
from tests.gateway.far_away import echo, net, tcp_server, through, tunnel
from tests.support.net import free_port
from tests.support.wait import let_time_pass, wait_for


async def test_bytes_pass_both_ways_and_each_side_may_end_first(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        async with tunnel(n.world.socket("alice"), f"WWW.Example.:{port}", b"at once, ") as t:
            assert t.head == b"HTTP/1.1 200 Connection established\r\n\r\n"
            t.writer.write(b"and later")
            t.writer.write_eof()
            assert await t.reader.read() == b"at once, and laterthe end"
        await wait_for(lambda: not n.passages)


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks first, ends first, and takes what still comes."""
    writer.write(b"220 hello\r\n")
    writer.write_eof()
    received.append(await reader.read())


received: list[bytes] = []


async def test_a_host_that_ends_first_still_gets_the_rest(tmp_path: Path, socket_dir: Path) -> None:
    received.clear()
    async with through(tmp_path, socket_dir, hello) as (_, t):
        assert await t.reader.read() == b"220 hello\r\n"
        t.writer.write(b"bye")
        t.writer.write_eof()
        await wait_for(lambda: received == [b"bye"])


async def test_a_mebibyte_in_each_direction_at_once(tmp_path: Path, socket_dir: Path) -> None:
    data = bytes(range(256)) * 4096
    async with through(tmp_path, socket_dir, echo) as (_, t):

        async def send() -> None:
            t.writer.write(data)
            await t.writer.drain()
            t.writer.write_eof()

        back = (await asyncio.gather(send(), t.reader.read()))[1]
        assert back == data + b"the end"


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def test_a_flood_that_nobody_reads_takes_no_memory(tmp_path: Path, socket_dir: Path) -> None:
    async with through(tmp_path, socket_dir, flood) as (n, t):
        assert t.status == 200
        (passage,) = n.passages
        seen = [-1]

        async def stands_still() -> bool:
            seen.append(passage.received)
            await let_time_pass(0.1)
            return seen[-1] == seen[-2] == passage.received

        await wait_for(stands_still, 10)
        assert 0 < passage.received < 2**20


async def test_an_agent_has_one_pace_for_all(tmp_path: Path, socket_dir: Path) -> None:
    """A quarter of a second's worth, in two tunnels, after the first second's."""
    limits = EgressLimits(bytes_per_second=2**20)
    async with through(tmp_path, socket_dir, flood, limits) as (n, t):
        other = n.passages[0].target
        async with tunnel(n.world.socket("alice"), str(other)) as t2:
            began = asyncio.get_running_loop().time()
            half = 5 * 2**17
            await asyncio.gather(t.reader.readexactly(half), t2.reader.readexactly(half))
            assert 0.15 < asyncio.get_running_loop().time() - began < 5


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_tunnel_in_which_nothing_moves_is_closed(tmp_path: Path, socket_dir: Path) -> None:
    limits = EgressLimits(idle_seconds=0.2)
    async with through(tmp_path, socket_dir, hang, limits) as (n, t):
        assert t.status == 200
        assert await t.reader.read() == b""
        assert n.passages == []


async def test_only_so_many_at_once_and_others_get_theirs(tmp_path: Path, socket_dir: Path) -> None:
    """A hundred are asked for; the next ones are answered as soon as some are done."""
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        go = asyncio.Event()

        async def one() -> int:
            try:
                async with tunnel(n.world.socket("alice"), f"www.example:{port}") as t:
                    await go.wait() if t.status == 200 else None
                    return t.status
            except (OSError, EOFError):
                return 0  # more connections than an agent may have

        tasks = [asyncio.create_task(one()) for _ in range(100)]
        await wait_for(lambda: sum(task.done() for task in tasks) == 68)
        go.set()
        statuses = await asyncio.gather(*tasks)
        assert statuses.count(200) == 32
        assert set(statuses) <= {200, 503, 0}
        await wait_for(lambda: not n.passages)
        async with tunnel(n.world.socket("alice"), f"www.example:{port}") as t:
            assert t.status == 200


MALFORMED = {
    "no port": b"CONNECT www.example HTTP/1.1\r\n\r\n",
    "empty port": b"CONNECT www.example: HTTP/1.1\r\n\r\n",
    "port 0": b"CONNECT www.example:0 HTTP/1.1\r\n\r\n",
    "port 65536": b"CONNECT www.example:65536 HTTP/1.1\r\n\r\n",
    "signed port": b"CONNECT www.example:+443 HTTP/1.1\r\n\r\n",
    "user": b"CONNECT user@www.example:443 HTTP/1.1\r\n\r\n",
    "path": b"CONNECT www.example:443/ HTTP/1.1\r\n\r\n",
    "encoded": b"CONNECT www%2eexample:443 HTTP/1.1\r\n\r\n",
    "fullwidth": "CONNECT \uff57ww.example:443 HTTP/1.1\r\n\r\n".encode(),
    "octal": b"CONNECT 0177.0.0.1:443 HTTP/1.1\r\n\r\n",
    "short": b"CONNECT 127.1:443 HTTP/1.1\r\n\r\n",
    "number": b"CONNECT 2130706433:443 HTTP/1.1\r\n\r\n",
    "hexadecimal": b"CONNECT 0x7f.1:443 HTTP/1.1\r\n\r\n",
    "IPv6 without brackets": b"CONNECT ::1:443 HTTP/1.1\r\n\r\n",
    "zone": b"CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\n\r\n",
    "bare zone": b"CONNECT [fe80::1%eth0]:443 HTTP/1.1\r\n\r\n",
    "empty label": b"CONNECT www..example:443 HTTP/1.1\r\n\r\n",
    "two spaces": b"CONNECT  www.example:443 HTTP/1.1\r\n\r\n",
    "no version": b"CONNECT www.example:443\r\n\r\n",
    "other version": b"CONNECT www.example:443 HTTP/2.0\r\n\r\n",
    "bare line feeds": b"CONNECT www.example:443 HTTP/1.1\nHost: x\n\r\n\r\n",
    "null": b"CONNECT www.example\0:443 HTTP/1.1\r\n\r\n",
    "two hosts": b"CONNECT www.example:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "folded": b"CONNECT www.example:443 HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "space before the colon": b"CONNECT www.example:443 HTTP/1.1\r\nHost : a\r\n\r\n",
    "body": b"CONNECT www.example:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
    "chunks": b"CONNECT www.example:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative": b"CONNECT www.example:443 HTTP/1.1\r\nContent-Length: -0\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_requests_are_refused(
    tmp_path: Path, socket_dir: Path, data: bytes
) -> None:
    async with net(tmp_path, socket_dir, "www.example:443") as n:
        answer = await n.world.client("alice").bytes_out(data, end=True)
        assert answer.startswith(b"HTTP/1.1 400 hyperhive: "), answer
        assert answer.count(b"HTTP/1.") == 1
        assert n.names.asked == []
        assert await n.audited() == []


async def test_a_head_that_does_not_end(tmp_path: Path, socket_dir: Path) -> None:
    limits = EgressLimits(head_seconds=0.2)
    async with net(tmp_path, socket_dir, "www.example:443", limits=limits) as n:
        client = n.world.client("alice")
        assert (await client.bytes_out(b"CONNECT www.example:443 HTTP/1.1\r\nX")).startswith(
            b"HTTP/1.1 408 "
        )
        line = b"CONNECT www.example:443 HTTP/1.1\r\nX: "
        assert (await client.bytes_out(line + b"x" * 300_000)).startswith(b"HTTP/1.1 431 ")
        assert await client.bytes_out(b"CONNECT www.example:443 HTTP", end=True) == b""
        assert await client.bytes_out(b"CONN", end=True) == b""


async def test_byte_by_byte(tmp_path: Path, socket_dir: Path) -> None:
    async with tcp_server(echo) as port, net(tmp_path, socket_dir, f"www.example:{port}") as n:
        reader, writer = await asyncio.open_unix_connection(str(n.world.socket("alice")))
        for byte in f"CONNECT www.example:{port} HTTP/1.0\r\n\r\nhello".encode():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write_eof()
        assert await reader.read() == (b"HTTP/1.1 200 Connection established\r\n\r\nhellothe end")
        writer.close()
        await writer.wait_closed()


async def test_connect_after_another_request_is_refused(tmp_path: Path, socket_dir: Path) -> None:
    async with net(tmp_path, socket_dir, "www.example:443") as n:
        first = b"POST /v1/whoami HTTP/1.1\r\nHost: hive\r\n\r\n"
        second = b"CONNECT www.example:443 HTTP/1.1\r\nHost: www.example:443\r\n\r\nsmuggled"
        answer = await n.world.client("alice").bytes_out(first + second)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"HTTP/1.1 400 hyperhive: CONNECT begins a connection of its own" in answer
        assert answer.count(b"HTTP/1.1") == 2


async def test_hosts_that_are_not_there(tmp_path: Path, socket_dir: Path) -> None:
    port = free_port()
    async with net(tmp_path, socket_dir, f"www.example:{port}", "gone.example:1") as n:
        for target, word in ((f"www.example:{port}", b"connected"), ("gone.example:1", b"looked")):
            async with tunnel(n.world.socket("alice"), target) as t:
                assert t.status == 502
                assert word in t.head
        assert await n.audited() == []
