"""A running gateway for each test, and a log that must stay clean."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hyperhive.gateway.limits import Limits
from tests.gateway.world import World, running


@pytest.fixture
async def world(tmp_path: Path, socket_dir: Path) -> AsyncIterator[World]:
    unhurried = Limits(requests_per_second=1_000_000, burst=1_000_000)
    async with running(tmp_path, socket_dir, limits=unhurried) as world:
        yield world


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever agents send, nothing unexpected may happen in the host."""
    caplog.set_level(logging.INFO)
    yield
    traced = [r for r in caplog.get_records("call") if r.exc_info or r.levelno >= logging.CRITICAL]
    assert not traced, [r.getMessage() for r in traced]
