"""A hive of a manager, alice and bob; and one with other rules."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hive.building import Built, open_built
from tests.hive.world import World, open_world, policy

MakeWorld = Callable[..., Awaitable[World]]
MakeBuilt = Callable[..., Awaitable[Built]]


@pytest.fixture
async def make_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Opens one with other rules; the keywords replace those of the policy."""
    opened: list[World] = []

    async def make(**changes: Any) -> World:
        directory = tmp_path / f"hive-{len(opened)}"
        directory.mkdir()
        opened.append(await open_world(directory / "hive.db", policy(**changes)))
        return opened[-1]

    yield make
    for world in opened:
        await world.database.close()


@pytest.fixture
async def make_built(tmp_path: Path) -> AsyncIterator[MakeBuilt]:
    """Opens one whose agents are built; the keywords replace rules of the policy."""
    opened: list[Built] = []

    async def make(**changes: Any) -> Built:
        directory = tmp_path / f"built-{len(opened)}"
        directory.mkdir()
        opened.append(await open_built(directory, **changes))
        return opened[-1]

    yield make
    for built in opened:
        await built.database.close()


@pytest.fixture
async def built(make_built: MakeBuilt) -> Built:
    """With alice to be built, and a manager who is not."""
    return await make_built()


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Rules fail with typed errors; whatever is unexpected is a fault."""
    caplog.set_level(logging.INFO)
    yield
    traced = [r for r in caplog.get_records("call") if r.exc_info or r.levelno >= logging.CRITICAL]
    assert not traced, [r.getMessage() for r in traced]
