"""A real service for measurements, and real links to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperhive.admin.client import AdminClient
from hyperhive.harness.link import Link
from hyperhive.protocol.answers import Welcome

READY_SECONDS = 60.0
SERVICE = Path(__file__).parents[1] / "tests" / "support" / "idle_agents.py"
MODEL = "claude-sonnet-5-5"


@dataclass(frozen=True, slots=True)
class Hive:
    """Its agents do nothing: the measurement takes their places at their sockets."""

    root: Path
    pid: int

    @property
    def admin(self) -> AdminClient:
        return AdminClient(self.root / "run" / "admin.sock")

    def socket(self, agent: str) -> Path:
        return self.root / "run" / "agents" / agent / "hive.sock"

    def memory(self) -> int:
        """Resident bytes of the service (proc(5), VmRSS)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    @contextlib.asynccontextmanager
    async def link(self, agent: str) -> AsyncIterator[Link]:
        listener = Listener()
        link = Link(self.socket(agent), str(uuid.uuid4()), listener)
        running = asyncio.create_task(link.run())
        try:
            async with asyncio.timeout(30):
                await listener.welcomed.wait()
            yield link
        finally:
            running.cancel()
            await asyncio.wait([running])


class Listener:
    """Hears the host's pushes and does nothing about them."""

    turn = None

    def __init__(self) -> None:
        self.welcomed = asyncio.Event()

    def welcome(self, welcome: Welcome) -> None:
        self.welcomed.set()

    def push(self, push: str, data: Mapping[str, Any]) -> None:
        pass


@contextlib.contextmanager
def _directory() -> Any:
    with tempfile.TemporaryDirectory(prefix="hive-bench-", dir="/var/tmp") as name:
        yield Path(name)


@contextlib.asynccontextmanager
async def running_hive(agents: int, upstream: str = "http://127.0.0.1:9") -> AsyncIterator[Hive]:
    """A service with agents `a0`, `a1`, ... and no limits that a measurement would meet."""
    names = [f"a{i}" for i in range(agents)]
    with _directory() as root:
        root.chmod(0o711)
        (root / "credential").write_text("scripted-model")
        (root / "credential").chmod(0o600)
        config = {
            "stateDir": str(root / "service"),
            "runDir": str(root / "run"),
            "agentsDir": str(root / "agents"),
            "models": {"m": {"id": MODEL}},
            "defaultModel": "m",
            "credentialFile": str(root / "credential"),
            "upstream": upstream,
            "dashboard": {"port": 0},
            "mail": {"undelivered": 1_000_000},
            "gateway": {"requestsPerSecond": 1_000_000, "burst": 1_000_000},
            "agents": {name: {} for name in names},
        }
        (root / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        process = _start(root)
        try:
            await _wait_ready(root / "service.log", process)
            await _wait_started(process.pid, agents + 1)
            yield Hive(root, process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            await asyncio.to_thread(process.wait, 30)


def _start(root: Path) -> subprocess.Popen[bytes]:
    with (root / "service.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, SERVICE, "serve", f"--config={root / 'config.yaml'}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


async def _wait_ready(log: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_SECONDS
    while "\nready\n" not in (output := log.read_text()):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the service did not come up:\n{output}")
        await asyncio.sleep(0.05)


async def _wait_started(pid: int, agents: int) -> None:
    """Until every agent's process is there: starting them is not what is measured."""
    until = time.monotonic() + READY_SECONDS
    while _children(pid) < agents:
        if time.monotonic() > until:
            raise RuntimeError("the agents were not started")
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)


def _children(pid: int) -> int:
    """Of all its threads (proc_pid_children(5))."""
    return sum(len(f.read_text().split()) for f in Path(f"/proc/{pid}/task").glob("*/children"))
