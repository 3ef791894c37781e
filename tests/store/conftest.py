"""A database of the test's own, opened through the store or, for its rows alone, in memory."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hyperhive.store.database import Database
from hyperhive.store.schema import migrate, packaged_migrations
from hyperhive.store.transaction import Rows, rows_of
from hyperhive.store.tuning import Tuning
from tests.store.given import StepClock

SMALL = Tuning(reserve_bytes=2**20, busy_seconds=0.2)


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A database in memory with today's schema and the writer's rules."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection, packaged_migrations())
    yield connection
    connection.close()


@pytest.fixture
def tx(connection: sqlite3.Connection) -> Rows:
    return rows_of(connection)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path, SMALL)
    yield database
    await database.close()
