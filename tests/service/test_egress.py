"""The real Claude Code runs curl: to where its agent may go, and to where it may not."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient
from tests.service.conftest import AGENT, MODELS, agent_in, mail_from
from tests.support import near_internet
from tests.support.hello_server import hello_server
from tests.support.real_service import Swarm, short_directory

pytestmark = pytest.mark.claude


@pytest.fixture
def port() -> Iterator[int]:
    """Of a web server on loopback."""
    with hello_server() as found:
        yield found


@contextlib.contextmanager
def running(upstream: str, allow: list[str]) -> Iterator[Swarm]:
    """Alice may run curl, and reach these."""
    settings = {"allowedBash": ["curl *"], "egress": {"allow": allow}}
    with short_directory() as root:
        options: dict[str, Any] = {
            "models": MODELS,
            "defaultModel": "large",
            "helperModel": "small",
            "upstream": upstream,
            "agents": {"alice": {**AGENT, "settings": settings}},
        }
        program = (str(Path(near_internet.__file__)),)
        swarm = Swarm(root, ("manager", "alice"), program=program, config=options)
        swarm.prepare()
        swarm.start()
        try:
            swarm.wait_ready()
            yield swarm
        finally:
            swarm.kill(signal.SIGINT)


async def denied(admin: AdminClient) -> list[str]:
    agent = await admin.call("agent", name="alice")
    return [entry["target"] for entry in agent["egress_denied"]]


async def said(admin: AdminClient, command: str, count: int) -> str:
    """What alice answers when she is told to run this."""
    await admin.call("send", to="alice", body=f"run {command}", key=f"egress-{count}")
    mail = await mail_from(admin, "alice", count)
    return str(mail[0]["body"])


async def test_curl_reaches_what_is_listed(upstream: str, port: int) -> None:
    with running(upstream, [f"*.example:{port}"]) as swarm:
        async with swarm.admin as admin:
            await admin.call("start", name="alice")
            await agent_in(admin, "alice", "idle")
            got = swarm.root / "agents" / "alice" / "workspace"
            assert await said(admin, f"curl -sS -o one http://www.example:{port}/1", 1) == "ran"
            assert (got / "one").read_text() == "hello from /1"
            tunnelled = f"curl -sS -p -o two http://www.example:{port}/2"
            assert await said(admin, tunnelled, 2) == "ran"
            assert (got / "two").read_text() == "hello from /2"
            assert await denied(admin) == [], "Claude Code itself asks for nothing"
            refused = await said(admin, "curl -sS -v https://evil.example/", 3)
            assert "ask the operator to add evil.example:443 to egress.allow" in refused
            assert await denied(admin) == ["evil.example:443"]


async def test_without_a_list_there_is_no_proxy(upstream: str, port: int) -> None:
    with running(upstream, []) as swarm:
        async with swarm.admin as admin:
            await admin.call("start", name="alice")
            await agent_in(admin, "alice", "idle")
            answer = await said(admin, f"curl -sS http://www.example:{port}/1", 1)
            assert "Could not resolve host" in answer
            assert await denied(admin) == []
