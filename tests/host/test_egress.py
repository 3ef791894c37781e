"""From a container to the hosts on its list alone: curl, run by the real Claude Code."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import pytest

from hyperhive.admin.client import AdminClient
from hyperhive.demo import model, scenario
from nested.host import NestedHost
from tests.host.conftest import CLONE
from tests.host.hosted import STATE, Hosted, hosted, start
from tests.service.conftest import SCENARIO, mail_from
from tests.support import near_internet
from tests.support.hello_server import hello_server

pytestmark = pytest.mark.claude

DROP_IN = "/etc/systemd/system/hyperhive.service.d/near-internet.conf"


@pytest.fixture
def port() -> Iterator[int]:
    """Of a web server on the host's loopback, which the service takes for the internet."""
    with hello_server() as found:
        yield found


@contextlib.contextmanager
def near(host: NestedHost) -> Iterator[None]:
    """The installed service, but for the addresses of names."""
    program = f"{sys.executable} {near_internet.__file__} serve --config=/etc/hyperhive/config.yaml"
    path = host.path(DROP_IN)
    path.write_text(f"[Service]\nEnvironment=PYTHONPATH={CLONE}\nExecStart=\nExecStart={program}\n")
    host.run(["systemctl", "daemon-reload"])
    try:
        yield
    finally:
        path.unlink()
        host.run(["systemctl", "daemon-reload"])


async def said(admin: AdminClient, command: str, count: int) -> str:
    await admin.call("send", to="alice", body=f"run {command}", key=f"egress-{count}")
    return str((await mail_from(admin, "alice", count))[0]["body"])


def read(hive: Hosted, name: str) -> str:
    return hive.host.run(["cat", f"{STATE}/agents/alice/workspace/{name}"]).stdout


async def test_curl_in_a_container(nested: NestedHost, port: int) -> None:
    settings = {"allowedBash": ["curl *"], "egress": {"allow": [f"*.example:{port}"]}}
    async with model.serve(scenario.load(SCENARIO)) as url:
        with near(nested):
            opened = hosted(nested, {"alice": {"settings": settings}}, upstream=url)
            hive = await asyncio.to_thread(opened.__enter__)
            try:
                async with hive.admin() as admin:
                    await start(admin, "alice")
                    got = await said(admin, f"curl -sS -o one http://www.example:{port}/1", 1)
                    assert got == "ran"
                    assert read(hive, "one") == "hello from /1"
                    tunnelled = f"curl -sS -p -o two http://www.example:{port}/2"
                    assert await said(admin, tunnelled, 2) == "ran"
                    assert read(hive, "two") == "hello from /2"
                    refused = await said(admin, "curl -sS -v https://evil.example/", 3)
                    assert "ask the operator to add evil.example:443 to egress.allow" in refused
                    direct = ["curl", "-sS", f"http://127.0.0.1:{port}/3"]
                    done = nested.run(hive.inside("alice", direct, "agent"), check=False)
                    assert "Couldn't connect" in done.stderr
            finally:
                await asyncio.to_thread(opened.__exit__, None, None, None)
