"""A person's shell reaches the network as the agent does: by its proxy, and to its list alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest

from hyperhive.admin.client import AdminClient
from hyperhive.protocol.terminal import SHELL_ENVIRONMENT
from nested.host import NestedHost
from tests.host.hosted import STATE, Hosted, hosted, start
from tests.host.test_egress import near
from tests.support.hello_server import hello_server
from tests.support.wait import wait_for


@pytest.fixture
def port() -> Iterator[int]:
    with hello_server() as found:
        yield found


@pytest.fixture
def hive(nested: NestedHost, port: int) -> Iterator[Hosted]:
    settings = {"egress": {"allow": [f"www.example:{port}"]}}
    with near(nested), hosted(nested, {"alice": {"settings": settings}}) as made:
        yield made


async def shown(admin: AdminClient, user: str, command: str) -> str:
    """What it wrote; what is typed before a shell asks for it is thrown away."""
    async with admin.terminal("alice", user, 30, 200) as terminal, asyncio.timeout(20):
        seen = b""
        while not re.search(rb"[$#] $", seen):
            seen += await terminal.read()
        await terminal.write(f"{command}; echo en''d\n".encode())
        while b"end\r\n" not in seen:
            seen += await terminal.read()
        return seen.decode()


async def test_curl_in_a_shell(hive: Hosted, port: int) -> None:
    async with hive.admin() as admin:
        await start(admin, "alice")
        told = hive.host.path(f"{STATE}/agents/alice/state/{SHELL_ENVIRONMENT}")
        await wait_for(told.exists, 20, "the harness")
        curl = f"curl -sS http://www.example:{port}/"
        assert "hello from /1" in await shown(admin, "agent", f"{curl}1")
        assert "hello from /2" in await shown(admin, "agent", f"{curl}2 --proxytunnel")
        refused = await shown(admin, "agent", "curl -sS -v https://evil.example/")
        assert "ask the operator to add evil.example:443 to egress.allow" in refused
        assert "Could not resolve host" in await shown(admin, "root", f"{curl}3")
        assert "_PROXY" not in await shown(admin, "root", "env")
        as_agent = await shown(admin, "agent", "env")
        assert {"HTTP_PROXY", "https_proxy", "NO_PROXY"} <= set(re.findall(r"(\w+)=", as_agent))
