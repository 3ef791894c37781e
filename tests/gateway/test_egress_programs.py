"""Programs as an agent runs them: curl, Python and git find the proxy by their environment."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.harness.relay import Relay
from hyperhive.harness.session_options import proxy_environment
from tests.gateway.far_away import INTERNET, Net, net

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("curl", "git", "openssl"))), reason="needs curl, git and openssl"
)

PYTHON = (
    "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
)
WITH_TLS = """
import ssl, sys, urllib.request as r
trusted = ssl.create_default_context(cafile=sys.argv[2])
print(r.urlopen(sys.argv[1], context=trusted).read().decode())
"""


async def hello(request: web.BaseRequest) -> web.StreamResponse:
    if request.path.endswith("/info/refs"):  # of a repository for git, with one branch
        return web.Response(text=f"{'1' * 40}\trefs/heads/main\n")
    return web.Response(text=f"hello from {request.path}")


def certificate(directory: Path) -> Path:
    """Key and certificate of `www.example` in one file."""
    file = directory / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=www.example", "-addext", "subjectAltName=DNS:www.example"),
            *("-keyout", str(file), "-out", str(directory / "only.pem")),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    file.write_bytes(file.read_bytes() + (directory / "only.pem").read_bytes())
    return file


class Desk:
    """Where an agent's programs run."""

    def __init__(self, n: Net, relay: Relay, port: int, directory: Path) -> None:
        self.net = n
        self.port = port
        self.directory = directory
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
        self._environment |= proxy_environment(relay.url)

    async def run(self, *argv: str) -> tuple[int, str]:
        """Exit code, and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=self._environment,
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()


@asynccontextmanager
async def desk(tmp_path: Path, socket_dir: Path, pem: Path | None = None) -> AsyncIterator[Desk]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if pem:
        context.load_cert_chain(pem)
    runner = web.ServerRunner(web.Server(hello), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, str(INTERNET), 0, ssl_context=context if pem else None).start()
        port = runner.addresses[0][1]
        async with (
            net(tmp_path, socket_dir, f"www.example:{port}") as n,
            Relay(n.world.socket("alice")) as relay,
        ):
            yield Desk(n, relay, port, tmp_path)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "program",
    [
        ["curl", "-sS"],
        ["curl", "-sS", "--proxytunnel"],
        [sys.executable, "-c", PYTHON],
    ],
    ids=["curl", "curl in a tunnel", "python"],
)
async def test_http(tmp_path: Path, socket_dir: Path, program: list[str]) -> None:
    async with desk(tmp_path, socket_dir) as d:
        code, out = await d.run(*program, f"http://www.example:{d.port}/file")
        assert (code, out.strip()) == (0, "hello from /file")
        code, out = await d.run(*program, "http://evil.example/file")
        assert code != 0 or "ask the operator to add evil.example:80 to egress.allow" in out
        assert await d.net.audited() == [("alice", "evil.example:80")]


@pytest.mark.parametrize(
    "program",
    [
        ["curl", "-sS", "--cacert", "{pem}", "{url}"],
        [sys.executable, "-c", WITH_TLS, "{url}", "{pem}"],
    ],
    ids=["curl", "python"],
)
async def test_https(tmp_path: Path, socket_dir: Path, program: list[str]) -> None:
    """From end to end: the proxy sees no more of it than the name."""
    pem = certificate(tmp_path)

    def filled(url: str) -> list[str]:
        return [word.format(pem=pem, url=url) if "{" in word else word for word in program]

    async with desk(tmp_path, socket_dir, pem) as d:
        code, out = await d.run(*filled(f"https://www.example:{d.port}/secret"))
        assert (code, out.strip()) == (0, "hello from /secret")
        code, out = await d.run(*filled("https://evil.example/secret"))
        assert code != 0
        assert "403" in out
        assert await d.net.audited() == [("alice", "evil.example:443")]


async def test_git(tmp_path: Path, socket_dir: Path) -> None:
    async with desk(tmp_path, socket_dir) as d:
        code, out = await d.run("git", "ls-remote", f"http://www.example:{d.port}/repository")
        assert (code, out) == (0, f"{'1' * 40}\trefs/heads/main\n")


async def test_loopback_is_not_asked_of_the_proxy(tmp_path: Path, socket_dir: Path) -> None:
    """Claude Code's own requests go to a port of loopback, and so do programs under test."""
    async with desk(tmp_path, socket_dir) as d:
        for host in ("127.0.0.1", "localhost"):
            for program in (["curl", "-4", "-sS"], [sys.executable, "-c", PYTHON]):
                code, out = await d.run(*program, f"http://{host}:{d.port}/file")
                assert (code, out.strip()) == (0, "hello from /file")
        assert await d.net.audited() == []
