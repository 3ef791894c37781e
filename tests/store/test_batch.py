"""Failures of the storage under a batch: typed, whole, and with the essential still working."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import Busy, Conflict, StorageError, StorageFull
from hyperhive.store.database import Database
from hyperhive.store.wal import wal_bytes
from tests.store import given
from tests.store.conftest import SMALL


def large(tx: Transaction) -> int:
    return given.mail(tx, "x" * 60_000)


async def write_large_ones(database: Database, count: int) -> None:
    for _ in range(count):
        await database.write(large)


def small(tx: Transaction) -> None:
    tx.meta.set("k", "v")


@asynccontextmanager
async def page_limit(database: Database, pages: int) -> AsyncIterator[None]:
    """SQLite's own limit on the file: reaching it is SQLITE_FULL, as on a full disk."""
    writer = database._writer
    execute = writer.worker._connection.execute
    await writer.run(execute, f"PRAGMA max_page_count = {pages}")
    yield
    await writer.run(execute, f"PRAGMA max_page_count = {2**31}")


async def test_a_full_disk_refuses_what_is_not_essential(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acked = await database.write(lambda tx: given.mail(tx, to=2))
    reserve = path.with_name("hive.db.reserve")
    assert reserve.exists()
    monkeypatch.setattr("hyperhive.store.reserve.RETRY_AFTER", 9e9)
    async with page_limit(database, 1):
        _, *answers = await asyncio.gather(
            database.write(lambda tx: None),  # while it is busy, the others become one batch
            database.write(small),
            database.write(large),
            database.write(
                lambda tx: tx.messages.settle([acked], "acked", "", 9.0), essential=True
            ),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [StorageFull, StorageFull, type(None)]
        assert not reserve.exists(), "it was given up"
        with pytest.raises(StorageFull):
            await database.write(small)
        with pytest.raises(StorageFull):
            await database.write(large, essential=True)
        await database.write(small, essential=True)
    states = await database.read(lambda tx: [d.state for d in tx.messages.recent()])
    assert states == ["acked"]
    with pytest.raises(StorageFull):
        await database.write(small)
    monkeypatch.setattr("hyperhive.store.reserve.RETRY_AFTER", 0.0)
    await database.write(large)
    assert reserve.exists(), "it was taken again"


async def test_a_refusal_among_the_essential_stays_one(database: Database) -> None:
    def refuse(tx: Transaction) -> None:
        raise Conflict("no")

    async with page_limit(database, 1):
        answers = await asyncio.gather(
            database.write(large), database.write(refuse, essential=True), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [StorageFull, Conflict]


async def test_each_caller_gets_an_error_of_its_own(database: Database) -> None:
    async with page_limit(database, 1):
        first, second = await asyncio.gather(
            database.write(large), database.write(large), return_exceptions=True
        )
    assert isinstance(first, StorageFull)
    assert first is not second


async def test_events_of_a_failed_batch_are_not_published(database: Database) -> None:
    def announce(tx: Transaction) -> None:
        tx.events.append("k", None, {}, 1.0)
        large(tx)

    seen: list[object] = []
    database.subscribe(seen.append)
    async with page_limit(database, 1):
        with pytest.raises(StorageFull):
            await database.write(announce)
    assert seen == []
    assert await database.read(lambda tx: tx.events.last()) == 0


async def test_another_process_that_holds_the_lock_makes_writers_busy(
    database: Database, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(
            *(database.write(small) for _ in range(3)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [Busy] * 3
        assert await database.read(lambda tx: tx.meta.get("k")) is None
        other.rollback()
    await database.write(small)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond it fail with EFBIG (setrlimit(2)), an I/O error to SQLite."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_after_an_io_error_nothing_is_written_any_more(path: Path) -> None:
    database = await Database.open(path, SMALL)
    await database.write(small)
    with (
        file_size_limit(wal_bytes(path) or 0),
        pytest.raises(StorageError, match=r"SQLITE_IOERR_WRITE\); nothing is written until"),
    ):
        await database.write(large)
    with pytest.raises(StorageError, match="until a restart"):
        await database.write(lambda tx: tx.meta.set("k", "later"), essential=True)
    assert await database.read(lambda tx: tx.meta.get("k")) == "v"
    await database.close()
    assert wal_bytes(path), "what is in the log is for the next start to read"
    database = await Database.open(path, SMALL)
    assert await database.read(lambda tx: (tx.meta.get("k"), tx.messages.recent())) == ("v", [])
    await database.write(large)
    await database.close()


async def test_a_reader_of_another_program_cannot_let_the_log_grow_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhive.store.wal.LOOK_EVERY", 0.0)
    monkeypatch.setattr("hyperhive.store.wal.RETRY_AFTER", 0.0)
    limit = 2**20
    database = await Database.open(path, replace(SMALL, wal_limit=limit))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM meta").fetchall()
        with pytest.raises(Busy, match="keeps reading"):
            await write_large_ones(database, 100)
        assert limit < (wal_bytes(path) or 0) < 2 * limit
        await database.write(small, essential=True)
        other.rollback()
        await database.write(large)
        assert (wal_bytes(path) or 0) < limit
    await database.close()


async def test_the_log_is_folded_back_below_readers_that_never_pause(
    database: Database, path: Path
) -> None:
    done = False

    async def keep_reading() -> None:
        while not done:
            await database.read(lambda tx: tx.messages.recent(limit=10))

    readers = [asyncio.create_task(keep_reading()) for _ in range(4)]
    for _ in range(60):
        await asyncio.gather(*(database.write(large) for _ in range(20)))
    done = True
    await asyncio.gather(*readers)
    assert (wal_bytes(path) or 0) < 40 * 2**20, "of 72 MB that were written"
