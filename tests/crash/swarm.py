"""A real service for crash tests: its agents are this test's own clients on their sockets."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.wait import wait_until

READY_SECONDS = 30.0


@dataclass
class Swarm:
    """Where one hive lives; `program` may be a service with a planted fault."""

    root: Path
    agents: tuple[str, ...]
    program: tuple[str, ...] = ("-m", "hyperhive.cli")
    state: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def prepare(self) -> None:
        """Agents that are never started: their sockets are served, for clients of our own uid."""
        for name in self.agents:
            for part in ("state", "home", "workspace", "tmp"):
                (self.root / "agents" / name / part).mkdir(parents=True)
        (self.root / "credential").write_text("scripted-model")
        (self.root / "credential").chmod(0o600)
        stopped = {"autoStart": False}
        config = {
            "stateDir": str(self.state or self.root / "service"),
            "runDir": str(self.root / "run"),
            "agentsDir": str(self.root / "agents"),
            "models": {"m": {"id": "model-1"}},
            "defaultModel": "m",
            "credentialFile": str(self.root / "credential"),
            "upstream": "http://127.0.0.1:9",
            "dashboard": {"port": 0},
            "manager": stopped,
            "agents": {name: stopped for name in self.agents if name != "manager"},
        }
        (self.root / "config.yaml").write_text(yaml.safe_dump(config))

    @property
    def log(self) -> Path:
        return self.root / "service.log"

    @property
    def database(self) -> Path:
        return (self.state or self.root / "service") / "hive.db"

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

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Read the database of a service that does not run."""
        assert self.process is None
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()
