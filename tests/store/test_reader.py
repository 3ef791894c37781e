"""Queries: bounded in time, with errors that say what to do."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import Busy, StorageError
from hyperhive.store.database import Database
from tests.store.conftest import SMALL


def endless(tx: Transaction) -> object:
    connection: sqlite3.Connection = tx.meta._connection  # type: ignore[attr-defined] # no port asks this
    return connection.execute(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
    ).fetchone()


async def test_a_query_that_takes_too_long_is_stopped(path: Path) -> None:
    database = await Database.open(path, replace(SMALL, read_seconds=0.05))
    with pytest.raises(Busy, match="took too long"):
        await database.read(endless)
    assert await database.read(lambda tx: tx.events.last()) == 0
    await database.close()


async def test_bytes_that_are_no_text_are_a_failure_of_the_storage(database: Database) -> None:
    def spoil(tx: Transaction) -> None:
        connection: sqlite3.Connection = tx.meta._connection  # type: ignore[attr-defined] # the fault is planted
        connection.execute("INSERT INTO meta VALUES ('k', CAST(x'ff' AS TEXT))")

    await database.write(spoil)
    with pytest.raises(StorageError, match="a text in the database is damaged"):
        await database.read(lambda tx: tx.meta.get("k"))
    with pytest.raises(StorageError, match="a text in the database is damaged"):
        await database.write(lambda tx: tx.meta.get("k"))
    await database.write(lambda tx: tx.meta.set("k", "v"))


async def test_mistakes_in_a_query_reach_the_caller(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await database.read(lambda tx: 1 / 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await database.read(lambda tx: next(iter(())))
    assert await database.read(lambda tx: tx.events.last()) == 0
