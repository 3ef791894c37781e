"""What is refused at opening, with the file and the remedy named, and what is not touched."""

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.store.check import check_contents
from hyperhive.store.database import Database
from hyperhive.store.failures import DatabaseRefused
from hyperhive.store.lock import Lock
from hyperhive.store.schema import packaged_migrations
from hyperhive.store.tuning import Tuning
from tests.store import given
from tests.store.conftest import SMALL
from tests.store.crashed import crashed_copy


@pytest.fixture
async def closed(path: Path) -> Path:
    """A database with some rows that was closed in good order."""
    database = await Database.open(path, SMALL)
    for number in range(20):
        await database.write(lambda tx: given.mail(tx, "x" * 3000, to=number))  # noqa: B023 - awaited
    await database.close()
    return path


@pytest.fixture
async def crashed(path: Path, tmp_path: Path) -> Path:
    """A database as a killed process leaves it: what was acknowledged last is in the log."""
    database = await Database.open(path, SMALL)
    for number in range(20):
        await database.write(lambda tx: given.mail(tx, "x" * 3000, to=number))  # noqa: B023 - awaited
    copy = crashed_copy(path, tmp_path / "crashed")
    await database.close()
    return copy


async def refusal(path: Path) -> str:
    """Its text; the files beside the lock are as before."""
    before = contents(path)
    with pytest.raises(DatabaseRefused) as refused:
        await Database.open(path, SMALL)
    after = contents(path)
    assert {name: after.get(name) for name in before} == before, "nothing was changed"
    assert refused.value.message.startswith(str(path.parent))
    return refused.value.message


def contents(path: Path) -> dict[str, bytes]:
    left_out = ("hive.db.lock", "hive.db-shm")
    files = (file for file in path.parent.iterdir() if file.is_file() and not file.is_symlink())
    return {file.name: file.read_bytes() for file in files if file.name not in left_out}


async def count(path: Path) -> int:
    database = await Database.open(path, SMALL)
    found = len(await database.read(lambda tx: tx.messages.recent(limit=100)))
    await database.close()
    return found


async def test_unharmed_ones_are_opened(closed: Path) -> None:
    assert await count(closed) == 20


async def test_a_killed_one_is_opened_with_everything_in_its_log(crashed: Path) -> None:
    assert await count(crashed) == 20


async def test_a_database_that_is_gone_is_not_replaced(closed: Path) -> None:
    closed.unlink()
    message = await refusal(closed)
    assert "the database is gone" in message
    assert "delete hive.db.lock" in message
    closed.with_name("hive.db.lock").unlink()
    assert await count(closed) == 0


async def test_a_log_without_its_database_is_not_replaced(crashed: Path) -> None:
    crashed.unlink()
    crashed.with_name("hive.db.lock").unlink()
    assert "the database is gone" in await refusal(crashed)


async def test_a_log_that_is_gone_after_a_crash_is_a_loss(crashed: Path) -> None:
    crashed.with_name("hive.db-wal").unlink()
    message = await refusal(crashed)
    assert "the last 20 acknowledged transactions are not in it" in message
    assert "delete hive.db.lock" in message
    crashed.with_name("hive.db.lock").unlink()
    assert await count(crashed) == 0, "on the operator's word"


async def test_a_log_that_another_program_folded_in_is_no_loss(crashed: Path) -> None:
    with closing(sqlite3.connect(crashed)) as connection:
        connection.execute("SELECT * FROM meta").fetchall()
    assert not crashed.with_name("hive.db-wal").exists()
    assert await count(crashed) == 20


async def test_a_log_that_was_cut_short_is_a_loss(crashed: Path) -> None:
    log = crashed.with_name("hive.db-wal")
    os.truncate(log, log.stat().st_size - 5000)
    assert re.search(r"the last [12] acknowledged transactions", await refusal(crashed))


async def test_an_older_copy_is_not_taken_for_the_database(closed: Path, tmp_path: Path) -> None:
    shutil.copy2(closed, tmp_path / "backup")
    database = await Database.open(closed, SMALL)
    await database.write(lambda tx: given.mail(tx))
    await database.close()
    shutil.copy2(tmp_path / "backup", closed)
    assert "the last 1 acknowledged transactions are not in it" in await refusal(closed)


async def test_a_log_that_appears_after_a_clean_end_is_foreign(closed: Path) -> None:
    closed.with_name("hive.db-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(5000))
    assert "hive.db-wal has appeared since" in await refusal(closed)


async def test_a_rollback_journal_is_foreign(closed: Path) -> None:
    closed.with_name("hive.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    assert "hive.db-journal is not of this database" in await refusal(closed)


async def test_a_log_beside_a_database_that_claims_to_need_none(crashed: Path) -> None:
    with crashed.open("r+b") as file:
        file.seek(18)
        file.write(b"\1\1")
    assert "it says that it needs no log" in await refusal(crashed)


async def test_a_backup_without_a_log_is_opened(closed: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup" / "hive.db"
    backup.parent.mkdir()
    with closing(sqlite3.connect(closed)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    assert await count(backup) == 20


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty", b"", "it is empty"),
        ("short", b"SQLite format 3\0", "not a database"),
        ("text", b"hello " * 1000, "not a database"),
    ],
)
async def test_what_is_no_database_is_left_alone(
    path: Path, name: str, content: bytes, problem: str
) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    message = await refusal(path)
    assert problem in message
    assert "restore a backup" in message


async def test_another_programs_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert "a database of another program" in await refusal(path)


async def test_a_newer_schema_is_refused(closed: Path) -> None:
    newer = replace(SMALL, migrations=(*packaged_migrations(), "CREATE TABLE later (x)"))
    await (await Database.open(closed, newer)).close()
    message = await refusal(closed)
    known = len(packaged_migrations())
    assert f"it has schema {known + 1}, this hyperhive knows {known}" in message
    assert "run the newer hyperhive again" in message


@pytest.mark.parametrize(
    "statement",
    ["DROP INDEX deliveries_queue", "CREATE TABLE extra (x)", "PRAGMA user_version = 0"],
)
async def test_a_schema_that_is_not_ours_is_refused(closed: Path, statement: str) -> None:
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute(statement)
    assert "its schema is not that of version" in await refusal(closed)


async def test_damaged_pages_are_refused(closed: Path) -> None:
    size = closed.stat().st_size
    with closed.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(4096))
    message = await refusal(closed)
    assert "damaged" in message
    assert "left as it is" in message


async def test_an_index_without_its_row_is_found_after_a_crash(closed: Path) -> None:
    """What a log of another copy does; `quick_check` alone would not see it."""
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        where = "name = 'deliveries_message'"
        (sql,) = connection.execute(f"SELECT sql FROM sqlite_schema WHERE {where}").fetchone()
        connection.execute(f"UPDATE sqlite_schema SET sql = ? || ' WHERE 0' WHERE {where}", (sql,))
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute("DELETE FROM deliveries WHERE id = 3")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(f"UPDATE sqlite_schema SET sql = ? WHERE {where}", (sql,))
    closed.with_name("hive.db.lock").write_text("open")
    assert "damaged (wrong # of entries in index deliveries_message)" in await refusal(closed)


async def test_a_check_that_takes_too_long_is_stopped(
    closed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "INSERT INTO keys WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c"
            " WHERE n < 100000) SELECT n, hex(randomblob(9)), x'', '', n FROM c"
        )
    lock = Lock(closed)
    check_contents(closed, lock, Tuning(check_seconds=0.001))
    lock.release()
    assert "was stopped after 0.001 s" in caplog.text


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.chmod(0o400), "it is read-only; chmod u+w it"),
        (lambda path: path.rename(path.with_name("x")) and path.symlink_to("x"), "not a regular"),
        (lambda path: path.unlink() or path.mkdir(), "not a regular file"),
    ],
)
async def test_files_that_cannot_be_ours(
    closed: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    spoil(closed)
    assert problem in await refusal(closed)


@pytest.mark.root
async def test_another_users_database_is_refused(closed: Path) -> None:
    os.chown(closed, 12345, 12345)
    assert "it belongs to uid 12345, hyperhive runs as 0" in await refusal(closed)


async def test_a_database_that_another_program_locks_is_refused(closed: Path) -> None:
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseRefused, match="locked by another program"):
            await Database.open(closed, SMALL)
        connection.rollback()


async def test_half_a_creation_is_begun_again(path: Path) -> None:
    path.with_name("hive.db.new").write_bytes(b"half")
    path.with_name("hive.db.new-journal").write_bytes(b"half")
    assert await count(path) == 0
    assert not path.with_name("hive.db.new").exists()
