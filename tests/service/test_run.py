"""The service as a process: told to systemd, started again, stopped without delay."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hyperhive.service import listening
from tests.support.real_service import Swarm, short_directory
from tests.support.wait import wait_for


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    """A prepared one; nothing of it runs in the end."""
    with short_directory() as root:
        made = Swarm(root, ("alice",))
        made.make_places()
        made.prepare()
        try:
            yield made
        finally:
            made.kill(signal.SIGINT)
        assert "Traceback" not in made.log.read_text()


@contextlib.asynccontextmanager
async def ready(swarm: Swarm) -> AsyncIterator[float]:
    """Started; yields the seconds that it took."""
    began = time.monotonic()
    swarm.start()
    await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
    yield time.monotonic() - began


@pytest.mark.parametrize("kind", ["path", "abstract"])
async def test_systemd_is_told_that_all_is_up(
    swarm: Swarm, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(swarm.root / "notify") if kind == "path" else f"@hyperhive-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1))
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        async with ready(swarm):
            assert await asyncio.to_thread(listener.recv, 100) == b"READY=1"
            async with swarm.admin as admin:
                assert (await admin.call("status"))["runtime"] == "local"


async def test_systemds_watchdog_is_told_that_the_loop_turns(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(swarm.root / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        async with ready(swarm):
            told = [await asyncio.to_thread(listener.recv, 100) for _ in range(4)]
    assert told == [b"READY=1", *[b"WATCHDOG=1"] * 3]


async def test_a_notify_socket_that_is_gone(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(swarm.root / "nobody"))
    async with ready(swarm), swarm.admin as admin:
        await wait_for(lambda: "NOTIFY_SOCKET" in swarm.log.read_text())
        await admin.call("status")


async def test_it_says_what_the_operator_needs(swarm: Swarm) -> None:
    async with ready(swarm):
        lines = swarm.log.read_text().splitlines()
    assert lines[0] == "runtime: local"
    assert any(line.startswith("warning: Agents run as plain processes") for line in lines)
    assert lines[-2].startswith("dashboard: http://127.0.0.1:")
    assert "/login#" in lines[-2]
    assert lines[-1] == "ready"


async def test_modes(swarm: Swarm) -> None:
    async with ready(swarm):
        modes = {
            name: (swarm.root / name).stat().st_mode & 0o7777
            for name in ("service", "run", "run/admin.sock", "service/hive.db")
        }
    assert modes == {
        "service": 0o700,
        "run": 0o711,
        "run/admin.sock": 0o600,
        "service/hive.db": 0o600,
    }


async def test_it_starts_again_over_what_a_killed_one_left(swarm: Swarm) -> None:
    for _ in range(2):
        async with ready(swarm), swarm.admin as admin:
            await admin.call("status")
        swarm.kill(signal.SIGKILL)
        assert (swarm.root / "run" / "admin.sock").is_socket()
    async with ready(swarm), swarm.admin as admin:
        await admin.call("status")
    swarm.kill(signal.SIGTERM)
    assert not (swarm.root / "run" / "admin.sock").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_at_once_under_open_streams(swarm: Swarm, number: signal.Signals) -> None:
    async with ready(swarm), swarm.admin as admin:
        events = admin.events(0)
        await anext(events)
        process = swarm.process
        assert process is not None
        began = time.monotonic()
        await asyncio.to_thread(swarm.kill, number)
        assert time.monotonic() - began < listening.SHUTDOWN_SECONDS - 0.5
        assert process.returncode == 0
        await events.aclose()


async def test_a_start_is_quick(swarm: Swarm) -> None:
    async with ready(swarm) as seconds:
        assert seconds < 10  # about one on an idle machine


@pytest.mark.parametrize(
    ("dashboard", "url"),
    [
        ({"host": "0.0.0.0", "port": 0}, "http://127.0.0.1:"),
        ({"host": "::1", "port": 0}, "http://[::1]:"),
        (
            {"host": "127.0.0.2", "port": 0, "allowedHosts": ["hive.example.org:81"]},
            "http://hive.example.org:81/login",
        ),
        (
            {"host": "127.0.0.2", "port": 0, "allowedHosts": ["https://hive.example.org"]},
            "https://hive.example.org/login",
        ),
    ],
    ids=["everywhere", "IPv6", "by name", "behind a proxy"],
)
async def test_the_login_link_can_be_followed(
    swarm: Swarm, dashboard: dict[str, object], url: str
) -> None:
    if dashboard["host"] == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    swarm.config = {"dashboard": dashboard}
    swarm.prepare()
    async with ready(swarm):
        assert f"\ndashboard: {url}" in swarm.log.read_text()
