"""Calls to repositories and builds that a program makes as the service's user in a nested host."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nested.host import ENVIRONMENT, NestedHost
from tests.support.wait import wait_until

CLONE = Path(__file__).parents[2]
STATE = "/var/lib/hyperhive"
BUILDER = "nixbld1"
"""The user of the first builder of Nix's daemon."""


class Failed(Exception):
    """`reason` is the job's, or the word of another of our errors."""

    def __init__(self, reason: str, text: str, seconds: float) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text
        self.seconds = seconds


@dataclass
class Builder:
    """One call at a time; see build_driver.py for what can be called."""

    host: NestedHost
    process: subprocess.Popen[str]
    pid: int = 0
    """As the nested host numbers it."""
    lines: list[str] = field(default_factory=list)
    """Of the logs of the last call."""
    seconds: float = 0.0
    """That the last call took."""

    def call(self, name: str, *arguments: object) -> Any:
        """Raises Failed."""
        self.begin(name, *arguments)
        told = self.read()
        while "line" in told:
            self.lines.append(told["line"])
            told = self.read()
        self.seconds = told["seconds"]
        if "failed" in told:
            raise Failed(told["failed"], told["text"], told["seconds"])
        return told["result"]

    def begin(self, name: str, *arguments: object) -> None:
        assert self.process.stdin is not None
        self.lines.clear()
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(
            self.process.stdout.readline() or '{"failed": "it ended"}'
        )
        return told

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.host.run(["kill", "-KILL", str(self.pid)])
        self.process.wait(20)

    def evaluate(self, module: str, **files: str) -> dict[str, Any]:
        commit = self.call("commit", "alice", {"agent.nix": module, **files})
        found: dict[str, Any] = self.call("evaluate", 1, "alice", commit)
        return found

    def check(self, module: str, running: str | None) -> dict[str, Any]:
        """Of a proposal, in place of a system."""
        commit = self.call("commit", "alice", {"agent.nix": module})
        found: dict[str, Any] = self.call("check", 3, "alice", commit, running)
        return found

    def build(self, module: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("build", 2, "alice", self.evaluate(module)["drv"])
        return found


@contextmanager
def builder(
    host: NestedHost, eval_seconds: float = 60, build_seconds: float = 60
) -> Iterator[Builder]:
    argv = [sys.executable, "-m", "tests.host.build_driver", str(eval_seconds), str(build_seconds)]
    with subprocess.Popen(
        host.command(argv, user="hyperhive"),
        env={**ENVIRONMENT, "PYTHONPATH": str(CLONE), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    ) as process:
        made = Builder(host, process)
        made.pid = made.read()["pid"]
        yield made


@contextmanager
def all_over(host: NestedHost) -> Iterator[None]:
    """Checks that nothing of a job runs or is kept afterwards."""
    yield
    assert host.run(["ls", f"{STATE}/jobs"]).stdout == ""
    wait_until(lambda: not processes(host, BUILDER), 20.0, "the end of all builders")
    units = ["systemctl", "list-units", "--no-legend", "hyperhive-eval@*", "hyperhive-build@*"]
    assert host.run([*units, "--state=active,activating"]).stdout == ""


@contextmanager
def changed(host: NestedHost, unit: str, service: str) -> Iterator[None]:
    """With more in the section `[Service]` of the unit."""
    directory = host.path(f"/run/systemd/system/{unit}.d")
    directory.mkdir(parents=True)
    (directory / "changed.conf").write_text(f"[Service]\n{service}")
    host.run(["systemctl", "daemon-reload"])
    try:
        yield
    finally:
        shutil.rmtree(directory)
        host.run(["systemctl", "daemon-reload"])


def processes(host: NestedHost, user: str) -> str:
    return host.run(["ps", "-o", "args=", "-u", user], check=False).stdout


def package(name: str, script: str) -> str:
    """A module with a package that this shell script builds into `$out`."""
    text = script.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    run = f'system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "{text}" ];'
    fields = f'name = "{name}"; {run} PATH = "/usr/bin:/bin";'
    return f"{{ environment.systemPackages = [ (derivation {{ {fields} }}) ]; }}"
