"""A whole swarm: the real service, real Claude Code in every agent, a scripted model."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient
from hyperhive.demo import model, scenario
from tests.support.real_service import Swarm, short_directory
from tests.support.wait import wait_for

SCENARIO = Path(__file__).parent / "scenario.yaml"
MODELS = {
    "small": {"id": "claude-haiku-5-5", "prices": {"input": 1.0, "output": 5.0}},
    "large": {"id": "claude-sonnet-5-5", "prices": {"input": 3.0, "output": 15.0}},
}
SETTINGS = {"allowedBash": ["sleep *", "touch *"]}

Start = Callable[..., AbstractAsyncContextManager[tuple[Swarm, AdminClient]]]


@pytest.fixture
def start_swarm() -> Start:
    """Starts a swarm of these agents; at the end the service stops them all."""

    @contextlib.asynccontextmanager
    async def start(*agents: str, **config: Any) -> AsyncIterator[tuple[Swarm, AdminClient]]:
        async with contextlib.AsyncExitStack() as stack:
            root = stack.enter_context(short_directory())
            upstream = await stack.enter_async_context(model.serve(scenario.load(SCENARIO)))
            options = {
                "models": MODELS,
                "defaultModel": "large",
                "helperModel": "small",
                "upstream": upstream,
                "manager": {"settings": SETTINGS},
                "agents": {name: {"settings": SETTINGS} for name in agents},
                "agentDefaults": {"settings": SETTINGS},
                **config,
            }
            swarm = Swarm(root, ("manager", *agents), config=options)
            swarm.prepare()
            swarm.start()
            try:
                await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
                async with swarm.admin as admin:
                    yield swarm, admin
            finally:
                if swarm.process is None:
                    swarm.start()  # agents outlive a killed service: have them stopped
                    await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
                swarm.kill(signal.SIGINT)
            assert swarm.harness_pids() == {}

    return start


async def agent_in(admin: AdminClient, name: str, *states: str, timeout: float = 30) -> Any:
    """The agent, once it is in one of these states."""

    async def look() -> Any:
        listing = (await admin.call("agents"))["agents"]
        return next((a for a in listing if a["name"] == name and a["state"] in states), None)

    return await wait_for(look, timeout, f"{name} to be {' or '.join(states)}")


async def mail_from(admin: AdminClient, name: str, count: int = 1, timeout: float = 40) -> Any:
    """The operator's mail from this agent, once there is so much of it."""

    async def look() -> Any:
        mail = [m for m in (await admin.call("inbox"))["messages"] if m["from"] == name]
        return mail if len(mail) >= count else None

    return await wait_for(look, timeout, f"mail from {name}")


async def turns_of(admin: AdminClient, name: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = (await admin.call("agent", name=name))["turns"]
    return turns
