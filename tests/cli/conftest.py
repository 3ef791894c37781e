"""The command line against one real service, whose agents are not started."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperhive.cli.main import main
from tests.support.real_service import Swarm, short_directory

PROGRAM = Path(sys.executable).with_name("hyperhive")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def service() -> Iterator[Swarm]:
    with short_directory() as root:
        config = {
            "models": {"large": {"id": "model-large"}, "small": {"id": "model-small"}},
            "defaultModel": "large",
            "agentDefaults": {"autoStart": False},
        }
        swarm = Swarm(root, ("alice", "bob"), config=config)
        swarm.make_places()
        swarm.prepare()
        swarm.start()
        try:
            swarm.wait_ready()
            yield swarm
        finally:
            swarm.kill(signal.SIGINT)
        assert "Traceback" not in swarm.log.read_text()


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process."""

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr("sys.argv", ["hyperhive", *arguments])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        shown = capsys.readouterr()
        return Result(end.value.code, shown.out, shown.err)

    return run


@pytest.fixture
def run(anywhere: Run, service: Swarm, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run it against the service."""
    monkeypatch.setenv("HYPERHIVE_ADMIN_SOCKET", str(service.root / "run" / "admin.sock"))
    return anywhere


@pytest.fixture
def start(service: Swarm) -> Callable[..., subprocess.Popen[bytes]]:
    """Start it as a process of its own, for what has to do with one."""

    def begin(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        socket = f"--socket={service.root / 'run' / 'admin.sock'}"
        return subprocess.Popen([PROGRAM, socket, *arguments], **options)

    return begin
