"""What every test gets: tiers, the check for things left behind, a directory for sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.net import short_directory

pytest_plugins = ["pytester", "tests.support.leaks", "tests.support.tiers"]


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name within the limit of unix(7)."""
    with short_directory() as directory:
        yield directory
