"""A swarm with its dashboard, and Chromium logged in to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.chromium import Window, browse
from tests.support.deploying import Workshop, workshop
from tests.support.swarm import Swarm, swarm


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[Swarm]:
    async with swarm(tmp_path) as made:
        yield made


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    """Where agents are built; a file whose `hive` is this one's sees it."""
    async with workshop(tmp_path) as made:
        yield made


@pytest.fixture
async def window(hive: Swarm) -> AsyncIterator[Window]:
    """One tab, logged in, that has shown nothing yet."""
    async with browse(hive) as opened:
        await opened.login()
        yield opened
