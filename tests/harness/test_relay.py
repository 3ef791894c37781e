"""The relay between real sockets: what passes, what waits, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hyperhive.harness import relay as relay_module
from hyperhive.harness.relay import MAX_CONNECTIONS, Relay, _join
from hyperhive.harness.session import Session
from tests.support.claude import MODEL, allow, session_options
from tests.support.scripted_model import ScriptedModel, text
from tests.support.wait import wait_for

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def host(path: Path, serve: Serve) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def connect(relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name, _, port = relay.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(name, int(port))


async def exchange(relay: Relay, data: bytes) -> bytes:
    """Sends, ends the own direction, returns all that comes back."""
    reader, writer = await connect(relay)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_passes_bytes_both_ways_and_keeps_a_half_closed_connection(socket_dir: Path) -> None:
    async def answer_after_the_end(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        asked = await reader.read()
        writer.write(b"you said " + asked)
        writer.close()

    path = socket_dir / "hive.sock"
    async with host(path, answer_after_the_end), Relay(path) as relay:
        assert await exchange(relay, b"hello") == b"you said hello"


async def test_passes_more_than_any_buffer_holds(socket_dir: Path) -> None:
    path, data = socket_dir / "hive.sock", os.urandom(4 << 20)
    async with host(path, echo), Relay(path) as relay:
        reader, writer = await connect(relay)
        sending = asyncio.create_task(_send_all(writer, data))
        assert await asyncio.wait_for(reader.readexactly(len(data)), 10) == data
        assert await reader.read() == b""
        await sending
        writer.close()


async def _send_all(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.write_eof()


async def test_a_slow_reader_gets_the_last_byte_too() -> None:
    """Both sides have ended their directions while bytes still wait in the relay."""
    client, client_side = socket.socketpair()
    host_side, host_end = socket.socketpair()
    client_side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with client, host_end:
        host_end.sendall(bytes(50_000))
        host_end.shutdown(socket.SHUT_WR)
        client.shutdown(socket.SHUT_WR)
        streams = [await asyncio.open_connection(sock=s) for s in (client_side, host_side)]
        joining = asyncio.create_task(_join(*streams))
        await wait_for(lambda: streams[1][0].at_eof() and streams[0][1].is_closing())
        got = await asyncio.to_thread(_read_to_end, client)
        await joining
    assert got == 50_000


def _read_to_end(sock: socket.socket) -> int:
    sock.settimeout(5)
    size = 0
    with contextlib.suppress(ConnectionError):
        while chunk := sock.recv(65536):
            size += len(chunk)
    return size


async def test_a_reader_that_stops_stops_the_sender(socket_dir: Path) -> None:
    """Bytes in flight stay in bounded buffers: a host that sends for ever gets stuck."""
    path, sent, stuck = socket_dir / "hive.sock", 0, asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(TimeoutError):
            while sent < 1 << 30:
                writer.write(bytes(1 << 16))
                await asyncio.wait_for(writer.drain(), 0.5)
                sent += 1 << 16
        stuck.set()
        writer.transport.abort()

    async with host(path, flood), Relay(path) as relay:
        _, writer = await connect(relay)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed knows the base only
        await asyncio.wait_for(stuck.wait(), 20)
        assert sent < 32 << 20
        writer.transport.abort()


async def test_holds_a_connection_until_the_host_is_back(socket_dir: Path) -> None:
    path = socket_dir / "hive.sock"
    async with Relay(path) as relay:
        asked = asyncio.create_task(exchange(relay, b"early"))
        await wait_for(lambda: len(relay._tasks) == 1)
        assert not asked.done()
        async with host(path, echo):
            assert await asked == b"early"


async def test_holds_a_connection_that_the_socket_of_a_dead_host_refuses(socket_dir: Path) -> None:
    path = socket_dir / "hive.sock"
    async with host(path, echo):
        pass
    assert path.exists()
    async with Relay(path) as relay:
        asked = asyncio.create_task(exchange(relay, b"early"))
        await wait_for(lambda: len(relay._tasks) == 1)
        path.unlink()
        async with host(path, echo):
            assert await asked == b"early"


async def test_gives_up_on_a_host_that_stays_away(socket_dir: Path) -> None:
    async with Relay(socket_dir / "hive.sock", hold_seconds=0.1) as relay:
        reader, writer = await connect(relay)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await wait_for(lambda: not relay._tasks)


async def test_passes_on_that_the_host_died(socket_dir: Path) -> None:
    path = socket_dir / "hive.sock"

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with host(path, die), Relay(path) as relay:
        reader, writer = await connect(relay)
        writer.write(b"x")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await wait_for(lambda: not relay._tasks)


async def test_a_client_that_resets_frees_the_connection(socket_dir: Path) -> None:
    path = socket_dir / "hive.sock"
    async with host(path, echo), Relay(path) as relay:
        _, writer = await connect(relay)
        await wait_for(lambda: len(relay._tasks) == 1)
        writer.transport.abort()
        await wait_for(lambda: not relay._tasks)


async def test_closes_a_connection_on_which_nothing_moves(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "IDLE_SECONDS", 0.2)
    path = socket_dir / "hive.sock"
    async with host(path, echo), Relay(path) as relay:
        reader, writer = await connect(relay)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.parametrize("most", [MAX_CONNECTIONS, 3])
async def test_bounds_the_number_of_connections(socket_dir: Path, most: int) -> None:
    path = socket_dir / "hive.sock"
    async with host(path, echo), Relay(path, max_connections=most) as relay:
        held = [await connect(relay) for _ in range(most)]
        await wait_for(lambda: len(relay._tasks) == most)
        reader, writer = await connect(relay)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        for _, other in [*held, (reader, writer)]:
            other.close()
        await wait_for(lambda: not relay._tasks)
        assert await _echoed(relay, b"room again") == b"room again"


async def _echoed(relay: Relay, data: bytes) -> bytes:
    reader, writer = await connect(relay)
    writer.write(data)
    answer = await asyncio.wait_for(reader.readexactly(len(data)), 5)
    writer.close()
    return answer


async def test_close_ends_open_and_waiting_connections(socket_dir: Path) -> None:
    path = socket_dir / "hive.sock"
    relay = Relay(path)
    await relay.start()
    waiting = await connect(relay)
    async with host(path, echo):
        assert await _echoed(relay, b"open") == b"open"
        await relay.close()
        assert not relay._tasks
    waiting[1].close()
    await relay.close()
    with pytest.raises(ConnectionRefusedError):
        await connect(relay)


async def test_a_relay_that_never_started_can_be_closed(socket_dir: Path) -> None:
    await Relay(socket_dir / "hive.sock").close()


@pytest.mark.claude
async def test_claude_code_sees_nothing_of_a_host_that_restarts(
    tmp_path: Path, socket_dir: Path
) -> None:
    path = socket_dir / "hive.sock"
    async with Relay(path) as relay:
        session = Session(session_options(tmp_path, relay.url), allow)
        try:
            async with ScriptedModel([text("before")], path):
                outcome = await session.run("one", model=MODEL, report=lambda event: None)
                assert outcome.text == "before"
            turn = asyncio.create_task(session.run("two", model=MODEL, report=lambda event: None))
            await wait_for(lambda: len(relay._tasks) == 1, 20)
            async with ScriptedModel([text("after")], path) as model:
                assert (await turn).text == "after"
                assert len(model.turns) == 1
        finally:
            await session.release()
