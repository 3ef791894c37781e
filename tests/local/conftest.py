"""A hive's directories and runtimes over them, with and without users of their own for agents."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyperhive.hive.ports import Ended
from hyperhive.hive.records import Agent, Budget
from hyperhive.local import uids
from hyperhive.local.processes import Process, every_process
from hyperhive.local.runtime import LocalRuntime
from hyperhive.protocol.bundle import AgentSettings
from tests.support.net import short_directory
from tests.support.wait import wait_for

STAND_IN = Path(__file__).with_name("stand_in.py")


def agent(name: str) -> Agent:
    settings, budget = AgentSettings(), Budget()
    return Agent(1, name, "worker", "spawned", (), settings, 1, budget, "running", "present", 0.0)


@dataclass
class Hive:
    """Where the agents of one hive live, and what ended there."""

    root: Path
    ends: list[Ended] = field(default_factory=list)

    @property
    def agents(self) -> Path:
        return self.root / "agents"

    def files(self, name: str) -> Path:
        return self.agents / name

    def runtime(self, what: str = "wait", **options: object) -> LocalRuntime:
        """Its agents do what tests/local/stand_in.py can."""
        command = (sys.executable, "-I", str(self.root / "stand_in.py"), what)
        made = LocalRuntime(command, self.agents, self.root / "run", **options)  # type: ignore[arg-type]  # its keywords
        made.subscribe(self.ends.append)
        return made

    @asynccontextmanager
    async def running(self, what: str = "wait", *names: str) -> AsyncIterator[LocalRuntime]:
        """A runtime whose agents are up; all is ended afterwards."""
        runtime = self.runtime(what)
        try:
            for name in names:
                await runtime.start(agent(name))
                await self.is_up(runtime, name)
            yield runtime
        finally:
            await runtime.stop_all()
            await runtime.close()

    async def is_up(self, runtime: LocalRuntime, name: str) -> None:
        async def ready() -> bool:
            return any(line.startswith("ready") for line in await runtime.logs(name, 50))

        await wait_for(ready, 20, f"{name} to be ready")

    def processes(self, name: str) -> list[Process]:
        """All that run as this agent; not what is about to end them."""
        home, uid = str(self.files(name) / "home"), self.files(name).joinpath("state").stat().st_uid
        mine = uid != os.geteuid()
        return [
            p
            for p in every_process()
            if (p.uids == {uid} if mine else p.environment.get("HOME") == home)
        ]

    async def children(self, name: str, count: int = 1) -> list[int]:
        """Pids of what the stand-in said it had started, once it said so."""

        def told() -> list[int]:
            lines = (self.files(name) / "harness.log").read_text().splitlines()
            return [int(line.split()[1]) for line in lines if line.startswith("child")]

        return await wait_for(lambda: pids if len(pids := told()) >= count else None, 20)

    async def end_of(self, name: str) -> Ended:
        return await wait_for(
            lambda: next((e for e in self.ends if e.invocation.agent == name), None), 20
        )


@pytest.fixture
def new_hive() -> Iterator[Callable[[], Hive]]:
    """Makes hives in directories that every user can pass."""
    with short_directory() as top:
        top.chmod(0o755)

        def make() -> Hive:
            root = top / f"hive-{len(list(top.iterdir()))}"
            root.mkdir()
            (root / "run").mkdir()
            for path in (root, root / "run"):
                path.chmod(0o755)
            shutil.copy(STAND_IN, root / "stand_in.py")
            (root / "stand_in.py").chmod(0o644)
            return Hive(root)

        yield make


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for anybody but root: agents run under the uid of the service."""
    monkeypatch.setattr(uids, "own_users", lambda: False)


@pytest.fixture(
    params=[pytest.param("own", marks=pytest.mark.root), "shared"], ids=["own users", "shared user"]
)
def hive(request: pytest.FixtureRequest, new_hive: Callable[[], Hive]) -> Hive:
    if request.param == "shared":
        request.getfixturevalue("shared")
    return new_hive()


def open_files() -> int:
    """Descriptors of this process, once what was closed in threads is closed."""
    return len(os.listdir("/proc/self/fd"))


def kill_and_reap(pid: int) -> None:
    """A child of ours whose runtime no longer watches it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
