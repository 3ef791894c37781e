"""A running gateway for each test, and a log that must stay clean."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateway.world import World, running


@pytest.fixture
async def world(tmp_path: Path, socket_dir: Path) -> AsyncIterator[World]:
    async with running(tmp_path, socket_dir) as world:
        yield world


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever agents send, nothing unexpected may happen in the host."""
    caplog.set_level(logging.INFO)
    yield
    traced = [r for r in caplog.get_records("call") if r.exc_info or r.levelno >= logging.CRITICAL]
    assert not traced, [r.getMessage() for r in traced]
