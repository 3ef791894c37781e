"""Migrations: in order, whole or not at all."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from hyperhive.store.database import Database
from hyperhive.store.schema import (
    expected_objects,
    migrate,
    objects,
    packaged_migrations,
    version,
)
from hyperhive.store.tuning import Tuning

SLOW = """
CREATE TABLE filled (n INTEGER, filler TEXT) STRICT;
INSERT INTO filled WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 60000)
  SELECT n, hex(randomblob(50)) FROM c;
CREATE INDEX filled_n ON filled (filler);
"""

MIGRATE = f"""
import asyncio, pathlib, sys
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from hyperhive.store.schema import packaged_migrations
async def main():
    tuning = Tuning(migrations=(*packaged_migrations(), {SLOW!r}), reserve_bytes=4096)
    print("begin", flush=True)
    database = await Database.open(pathlib.Path(sys.argv[1]), tuning)
    print("done", flush=True)
    await database.close()
asyncio.run(main())
"""


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def test_the_packaged_migrations_make_the_expected_schema() -> None:
    connection = memory()
    migrate(connection, packaged_migrations())
    assert version(connection) == len(packaged_migrations()) > 0
    assert objects(connection) == expected_objects(packaged_migrations())
    migrate(connection, packaged_migrations())
    connection.close()


def test_only_what_is_missing_is_applied() -> None:
    connection = memory()
    migrate(connection, ("CREATE TABLE a (x)",))
    connection.execute("INSERT INTO a VALUES (1)")
    migrate(connection, ("CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y"))
    assert version(connection) == 2
    assert connection.execute("SELECT * FROM a").fetchall() == [(1, None)]
    connection.close()


def test_a_migration_that_fails_leaves_nothing_of_itself() -> None:
    connection = memory()
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, ("CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"))
    assert version(connection) == 1
    assert {name for _, name, _ in objects(connection)} == {"a"}
    connection.close()


def test_statistics_are_no_part_of_the_schema() -> None:
    connection = memory()
    migrate(connection, packaged_migrations())
    connection.execute("INSERT INTO meta VALUES ('k', 'v')")
    connection.execute("ANALYZE")
    assert objects(connection) == expected_objects(packaged_migrations())
    connection.close()


@pytest.mark.crash
async def test_kill_9_during_a_migration_leaves_the_old_or_the_new_schema(tmp_path: Path) -> None:
    """10 kills, spread over the time that an unharmed migration takes."""
    origin = tmp_path / "origin"
    origin.mkdir()
    database = await Database.open(origin / "hive.db", Tuning(reserve_bytes=4096))
    await database.write(lambda tx: tx.meta.set("k", "acknowledged"))
    await database.close()
    number, duration = _migrated(origin, tmp_path / "unharmed", kill_after=60.0)
    before = len(packaged_migrations())
    assert number == before + 1
    killed = [
        _migrated(origin, tmp_path / f"kill-{kill}", kill_after=duration * kill / 10)[0]
        for kill in range(10)
    ]
    assert before in killed, "some kills were to come before the end"


def _migrated(origin: Path, directory: Path, kill_after: float) -> tuple[int, float]:
    """Version of a copy after a migration that was killed or came to its end, and its seconds."""
    shutil.copytree(origin, directory)
    path = directory / "hive.db"
    child = subprocess.Popen([sys.executable, "-c", MIGRATE, str(path)], stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"begin\n"
    began = time.monotonic()
    try:
        child.wait(kill_after)
    except subprocess.TimeoutExpired:
        child.kill()
    child.communicate()
    duration = time.monotonic() - began
    assert child.returncode in (0, -signal.SIGKILL)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        number = version(connection)
        assert objects(connection) == expected_objects((*packaged_migrations(), SLOW)[:number])
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT value FROM meta WHERE key = 'k'").fetchone()
    return number, duration
