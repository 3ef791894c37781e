"""A real service in a process of its own, with its files in one directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperhive.admin.client import AdminClient
from tests.support.wait import wait_until

READY_SECONDS = 30.0
IDLE_AGENTS = (str(Path(__file__).parent / "idle_agents.py"),)


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory that every uid may pass to, unlike pytest's, with a path short enough for sockets
    (unix(7): 107 bytes)."""
    path = Path(tempfile.mkdtemp(prefix="hive-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@dataclass
class Swarm:
    """Where one hive lives; `program` may be a service with a planted fault."""

    root: Path
    agents: tuple[str, ...]
    program: tuple[str, ...] = ("-m", "hyperhive.cli")
    """`IDLE_AGENTS` where a test takes the agents' places."""
    state: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """Options besides, or instead of, those that every swarm here has."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def make_places(self) -> None:
        """For agents that are never started: clients of our own uid may use their sockets."""
        for name in self.agents:
            for part in ("state", "home", "workspace", "tmp"):
                (self.root / "agents" / name / part).mkdir(parents=True)

    def prepare(self, *, auto_start: bool = False) -> None:
        """Write the configuration."""
        self.root.chmod(0o755)  # agents pass through under uids of their own
        (self.root / "credential").write_text("scripted-model")
        (self.root / "credential").chmod(0o600)
        agent = {"autoStart": auto_start}
        config = {
            "stateDir": str(self.state or self.root / "service"),
            "runDir": str(self.root / "run"),
            "agentsDir": str(self.root / "agents"),
            "models": {"m": {"id": "model-1"}},
            "defaultModel": "m",
            "credentialFile": str(self.root / "credential"),
            "upstream": "http://127.0.0.1:9",
            "dashboard": {"port": 0},
            "manager": agent,
            "agents": {name: agent for name in self.agents if name != "manager"},
            **self.config,
        }
        (self.root / "config.yaml").write_text(json.dumps(config))  # JSON is YAML

    @property
    def log(self) -> Path:
        return self.root / "service.log"

    @property
    def database(self) -> Path:
        return (self.state or self.root / "service") / "hive.db"

    @property
    def admin(self) -> AdminClient:
        return AdminClient(self.root / "run" / "admin.sock")

    def socket(self, agent: str) -> Path:
        return self.root / "run" / "agents" / agent / "hive.sock"

    def start(self) -> None:
        """Begin a start; `wait_ready` waits for it."""
        assert self.process is None
        self.starts += 1
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "serve", f"--config={self.root / 'config.yaml'}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        assert self.process is not None
        output = self.log.read_text(errors="replace")
        assert self.process.poll() is None, f"the service ended by itself:\n{output}"
        return "\nready\n" in output

    def wait_ready(self) -> None:
        wait_until(self.is_ready, READY_SECONDS, f"a ready service: {self.log}")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the service and wait for its end; nothing else runs under it."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(30)
        self.process = None

    def end(self) -> None:
        """Also of the agents, which outlive a killed service."""
        if self.process is None:
            self.start()
        self.wait_ready()
        self.kill(signal.SIGINT)

    def harness_pids(self) -> dict[str, int]:
        """The harness process of each agent that runs now (proc(5))."""
        mark = f"HYPERHIVE_HIVE={self.root / 'agents'}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                environment = (entry / "environ").read_bytes().split(b"\0")
                if mark in environment and os.getsid(int(entry.name)) == int(entry.name):
                    names = [e for e in environment if e.startswith(b"HYPERHIVE_AGENT=")]
                    found[names[0].partition(b"=")[2].decode()] = int(entry.name)
        return found

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Read the database of a service that does not run."""
        assert self.process is None
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()
