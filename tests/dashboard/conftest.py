"""A swarm of the test's own, with its dashboard served on loopback."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.deploying import Workshop, workshop
from tests.support.swarm import Swarm, swarm


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[Swarm]:
    async with swarm(tmp_path) as made:
        yield made


@pytest.fixture
async def browser(hive: Swarm) -> AsyncIterator[aiohttp.ClientSession]:
    """Logged in, and sending what a page of the dashboard sends."""
    async with hive.browser() as client:
        yield client


@pytest.fixture
async def working(hive: Swarm) -> Swarm:
    """The manager and alice are connected; a question and two approvals are open."""
    await hive.start("manager")
    await hive.start("alice")
    await hive.ask("manager", "Which one?", options=("red", "green, dark", "blue"), multi=True)
    await hive.request_spawn("carol", "for tests")
    await hive.request_destroy("alice", "not needed", purge=True)
    return hive


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    """A swarm whose agents are built; nothing was deployed yet."""
    async with workshop(tmp_path) as made:
        yield made


@pytest.fixture
async def operator(shop: Workshop) -> AsyncIterator[aiohttp.ClientSession]:
    """`browser`, of the swarm in the workshop."""
    async with shop.made.browser() as client:
        yield client


@pytest.fixture
def stale(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the host be another one than what all was built against."""

    def change() -> None:
        monkeypatch.setattr(shop.builds, "host", "host-2")
        monkeypatch.setattr(shop.made.hive.views, "_host", "host-2")

    return change
