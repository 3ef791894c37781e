"""One link to a fake host, for all tests that ask for it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hyperhive.harness.link import Link
from tests.support.fake_host import FakeHost
from tests.support.linking import INSTANCE, QUICK, Heard, running
from tests.support.wait import wait_for


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def socket(socket_dir: Path) -> Iterator[Path]:
    directory = socket_dir / "run"
    directory.mkdir()
    yield directory / "hive.sock"
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def host(socket: Path) -> AsyncIterator[FakeHost]:
    async with FakeHost(socket) as host:
        yield host


@pytest.fixture
async def link(host: FakeHost, heard: Heard) -> AsyncIterator[Link]:
    """Connected, on a host that is there."""
    link = Link(host.socket, INSTANCE, heard, QUICK)
    async with running(link):
        await wait_for(lambda: heard.welcomes, 5, "a welcome")
        yield link
