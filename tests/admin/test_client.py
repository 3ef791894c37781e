"""The client when nobody answers, or somebody else does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hyperhive.admin.client import AdminClient, NoService
from hyperhive.service import listening
from tests.admin.conftest import Served
from tests.support.wait import wait_for


@asynccontextmanager
async def somebody(path: Path, answer: bytes) -> AsyncIterator[AdminClient]:
    """Somebody who answers every request with these bytes and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server, AdminClient(path) as client:
        yield client


def http(body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_no_socket(socket_dir: Path) -> None:
    async with AdminClient(socket_dir / "admin.sock") as client:
        with pytest.raises(NoService) as refused:
            await client.call("status")
        with pytest.raises(NoService):
            await anext(client.events())
    assert refused.value.message == (
        f"no hyperhive service answers at {socket_dir}/admin.sock: No such file or directory; "
        "is one running (`hyperhive serve`), and is this its socket (--socket)?"
    )


async def test_a_socket_that_a_killed_service_left(socket_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_dir / "admin.sock"))
    async with AdminClient(socket_dir / "admin.sock") as client:
        with pytest.raises(NoService, match="Connection refused; is one running"):
            await client.call("status")


async def test_a_path_that_is_too_long() -> None:
    async with AdminClient(Path("/tmp/" + "x" * 200)) as client:
        with pytest.raises(NoService, match="path too long"):
            await client.call("status")


@pytest.mark.root
async def test_a_socket_that_is_not_for_us(served: Served) -> None:
    os.seteuid(65_534)
    try:
        async with served.client as client:
            with pytest.raises(NoService, match=r"Permission denied; .* group hyperhive-admin"):
                await client.call("status")
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "answer",
    [
        http(b"hello", "text/plain"),
        http(b"{"),
        http(b"[]"),
        http(b'"text"'),
        http(b"[" * 100_000),
        http(b"\xff"),
    ],
    ids=["text", "half", "list", "word", "deep", "not UTF-8"],
)
async def test_somebody_else(socket_dir: Path, answer: bytes) -> None:
    async with somebody(socket_dir / "admin.sock", answer) as client:
        with pytest.raises(NoService, match="is not hyperhive"):
            await client.call("status")


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-x\r\n\r\n", http(b'{"a":1}')[:-3], b"HTTP/1.1 200 OK\r\n"],
    ids=["nothing", "another protocol", "cut off", "half a head"],
)
async def test_somebody_who_breaks_off(socket_dir: Path, answer: bytes) -> None:
    async with somebody(socket_dir / "admin.sock", answer) as client:
        with pytest.raises(NoService, match="no hyperhive service answers at"):
            await client.call("status")


async def test_the_service_goes_away_in_mid_call(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SHUTDOWN_SECONDS", 0.05)
    path = served.socket.with_name("other.sock")
    async with AdminClient(path) as client:
        async with listening.on_socket(served.app, path):
            call = asyncio.create_task(client.call("debug_recv", name="alice", wait_seconds=60))
            await wait_for(lambda: served.swarm.hive.bells._bells)
        with pytest.raises(NoService, match=f"no hyperhive service answers at {path}"):
            await call
