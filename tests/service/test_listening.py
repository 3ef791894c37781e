"""The admin socket's owner and group; a port under more connections than it takes."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hyperhive.service import listening
from tests.support.wait import wait_for


@pytest.mark.root
async def test_the_group_of_admins_may_use_the_socket(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = next(g for g in grp.getgrall() if g.gr_gid != 0)
    monkeypatch.setattr(listening, "ADMIN_GROUP", group.gr_name)
    path = socket_dir / "admin.sock"
    async with listening.on_socket(web.Application(), path):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (os.geteuid(), group.gr_gid)
        assert found.st_mode & 0o777 == 0o660
    assert not path.exists()


async def test_without_the_group_it_is_its_owners(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ADMIN_GROUP", "no-such-group")
    async with listening.on_socket(web.Application(), socket_dir / "admin.sock"):
        assert (socket_dir / "admin.sock").stat().st_mode & 0o777 == 0o600


async def test_a_group_that_cannot_be_given(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(listening, "ADMIN_GROUP", _foreign_group().gr_name)
    monkeypatch.setattr(os, "chown", refuse)
    with caplog.at_level(logging.WARNING):
        async with listening.on_socket(web.Application(), socket_dir / "admin.sock"):
            assert (socket_dir / "admin.sock").stat().st_mode & 0o777 == 0o600
    assert "stays its owner's" in caplog.text


@pytest.mark.root
async def test_a_group_that_the_directory_gives(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tmpfiles makes it: setgid, of a group that the service is no member of."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    group = _foreign_group()
    os.chown(socket_dir, -1, group.gr_gid)
    socket_dir.chmod(0o2710)
    monkeypatch.setattr(listening, "ADMIN_GROUP", group.gr_name)
    monkeypatch.setattr(os, "chown", refuse)
    async with listening.on_socket(web.Application(), socket_dir / "admin.sock"):
        found = (socket_dir / "admin.sock").stat()
        assert (found.st_gid, found.st_mode & 0o777) == (group.gr_gid, 0o660)


def _foreign_group() -> grp.struct_group:
    return next(g for g in grp.getgrall() if g.gr_gid not in (os.getegid(), *os.getgroups()))


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _status(url: str) -> int | None:
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status
    return None


async def test_connections_are_bounded_and_silent_ones_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """More would use up the descriptors of the service, and with them every agent's socket."""
    monkeypatch.setattr(listening, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(listening, "IDLE_SECONDS", 2.0)
    app = web.Application()
    app.router.add_get("/", _hello)
    listener = listening.bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with listening.on_listener(app, listener):
        assert await _status(f"http://127.0.0.1:{port}/") == 200
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        await wait_for(
            lambda: sum(reader.at_eof() or _failed(reader) for reader, _ in opened) >= 40
        )
        assert await _status(f"http://127.0.0.1:{port}/") is None
        await wait_for(lambda: all(reader.at_eof() or _failed(reader) for reader, _ in opened))
        assert await _status(f"http://127.0.0.1:{port}/") == 200
        for _, writer in opened:
            writer.transport.abort()


def _failed(reader: asyncio.StreamReader) -> bool:
    return reader.exception() is not None


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_and_not_logged(
    caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    listener = listening.bind("127.0.0.1", 0)
    async with listening.on_listener(web.Application(), listener):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert not caplog.records


async def test_a_fault_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: web.Request) -> web.Response:
        raise RuntimeError("a fault of ours")

    app = web.Application()
    app.router.add_get("/", fail)
    listener = listening.bind("127.0.0.1", 0)
    async with listening.on_listener(app, listener):
        address = "http://{}:{}/".format(*listener.getsockname())
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            assert answer.status == 500
    assert "a fault of ours" in caplog.text
