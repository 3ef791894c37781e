"""A whole swarm: the real service, real Claude Code in its agents, a scripted model."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient
from hyperhive.demo import model, scenario
from hyperhive.flakes.git import Repositories
from hyperhive.service.git_configs import GitConfigs
from tests.store.given import StepClock
from tests.support.real_service import Swarm, short_directory
from tests.support.wait import let_time_pass, wait_for

SCENARIO = Path(__file__).parent / "scenario.yaml"
MODELS = {
    "small": {"id": "claude-haiku-5-5", "prices": {"input": 1.0, "output": 5.0}},
    "large": {"id": "claude-sonnet-5-5", "prices": {"input": 3.0, "output": 15.0}},
}
AGENT = {"autoStart": False, "settings": {"allowedBash": ["sleep *", "touch *"]}}
LOOK_SECONDS = 0.05
"""Between two looks at a swarm, which has its own work to do."""
NAMES = ("alice", "bob", "carol", "dave")

Running = Callable[..., AbstractAsyncContextManager[AdminClient]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The scripted model's address; it lives in a thread, since tests have a loop each."""
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[str] = []

    async def serve() -> None:
        async with model.serve(scenario.load(SCENARIO)) as url:
            found.append(url)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@contextlib.contextmanager
def swarm_of(upstream: str, **settings: Any) -> Iterator[Swarm]:
    """A running service, whose agents have these settings and are not started."""
    agent: dict[str, Any] = copy.deepcopy(AGENT)
    agent["settings"].update(settings)
    with short_directory() as root:
        options: dict[str, Any] = {
            "models": MODELS,
            "defaultModel": "large",
            "helperModel": "small",
            "upstream": upstream,
            "manager": agent,
            "agents": dict.fromkeys(NAMES, agent),
            "agentDefaults": agent,
            "runtime": {"restartDelaySeconds": 0.05, "crashLimit": 3},
        }
        made = Swarm(root, ("manager", *NAMES), config=options)
        made.prepare()
        made.start()
        try:
            made.wait_ready()
            yield made
        finally:
            if made.process is None:
                made.start()  # agents outlive a killed service: have them stopped
                made.wait_ready()
            made.kill(signal.SIGINT)
        assert made.harness_pids() == {}


@pytest.fixture(scope="module")
def swarm(upstream: str) -> Iterator[Swarm]:
    """One for all tests of a file, which start the agents that they need."""
    with swarm_of(upstream) as made:
        yield made


@pytest.fixture
def running(swarm: Swarm) -> Running:
    """These agents up and idle, and the operator's connection; in the end they are stopped."""

    @contextlib.asynccontextmanager
    async def start(*names: str) -> AsyncIterator[AdminClient]:
        async with swarm.admin as admin:
            for name in names:
                await admin.call("start", name=name)
            try:
                for name in names:
                    await agent_in(admin, name, "idle")
                yield admin
            finally:
                for name in names:
                    await admin.call("kill", name=name)
                for name in names:
                    await agent_in(admin, name, "stopped")

    return start


async def agent_in(admin: AdminClient, name: str, *states: str, timeout: float = 30) -> Any:
    """The agent, once it is in one of these states."""

    async def look() -> Any:
        await let_time_pass(LOOK_SECONDS)
        listing = (await admin.call("agents"))["agents"]
        return next((a for a in listing if a["name"] == name and a["state"] in states), None)

    return await wait_for(look, timeout, f"{name} to be {' or '.join(states)}")


async def mail_from(admin: AdminClient, name: str, count: int = 1, timeout: float = 40) -> Any:
    """The operator's mail from this agent, newest first, once there is so much of it."""

    async def look() -> Any:
        await let_time_pass(LOOK_SECONDS)
        mail = [m for m in (await admin.call("inbox"))["messages"] if m["from"] == name]
        return mail if len(mail) >= count else None

    return await wait_for(look, timeout, f"mail from {name}")


async def turns_of(admin: AdminClient, name: str) -> list[dict[str, Any]]:
    """Newest first."""
    turns: list[dict[str, Any]] = (await admin.call("agent", name=name))["turns"]
    return turns


@pytest.fixture
def git(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path / "applied")


@pytest.fixture
def configs(git: Repositories) -> GitConfigs:
    return GitConfigs(git, StepClock())
