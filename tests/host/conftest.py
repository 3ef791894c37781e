"""A nested host for all tests of this folder, with hyperhive installed and not started."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nested.__main__ import opened
from nested.host import NestedHost
from tests.host.building import STATE, Builder, all_over, builder
from tests.host.contained import Contained, contained

CLONE = Path(__file__).parents[2]
NEWER = Path("/var/cache/hyperhive/debian-13")
"""Of systemd 257; made by `./hive test`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.host)


@pytest.fixture(scope="session")
def nested() -> Iterator[NestedHost]:
    with opened(CLONE, sys.executable) as host:
        yield host


@pytest.fixture(scope="session")
def newer() -> Iterator[NestedHost]:
    """As `nested`, with a newer systemd."""
    with opened(CLONE, sys.executable, NEWER) as host:
        yield host


@pytest.fixture(scope="module")
def inside(nested: NestedHost) -> Iterator[Contained]:
    """Two agents in containers, for attempts from inside."""
    with contained(nested) as agents:
        yield agents


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a figure that was measured, whatever comes of the test."""

    def show(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line} ")

    return show


@pytest.fixture(scope="module")
def opened_builder(nested: NestedHost) -> Iterator[Builder]:
    """With limits of time that nothing good comes near to."""
    with builder(nested) as made:
        yield made
        made.call("release", "alice")
    nested.run(["rm", "-rf", f"{STATE}/service/applied"])


@pytest.fixture
def build(nested: NestedHost, opened_builder: Builder) -> Iterator[Builder]:
    with all_over(nested):
        yield opened_builder
