"""A private bus with the far side on it, and connections to it that are closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hyperhive.nspawn.lasting import LastingBus
from tests.nspawn.private_bus import Control, PrivateBus


@pytest.fixture
def private_bus(socket_dir: Path) -> Iterator[PrivateBus]:
    made = PrivateBus(socket_dir)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
async def bus(private_bus: PrivateBus) -> AsyncIterator[LastingBus]:
    made = LastingBus(private_bus.address)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def control(bus: LastingBus) -> Control:
    return Control(bus)
