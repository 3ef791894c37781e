"""From a path to a connection that may be written to, or to a refusal that names the remedy."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from hyperhive.protocol.errors import Busy, StorageFull
from hyperhive.store.check import RESTORE, check_contents, check_file
from hyperhive.store.failures import DatabaseRefused, typed
from hyperhive.store.lock import Lock
from hyperhive.store.schema import APPLICATION_ID, Migrations, commits, migrate
from hyperhive.store.tuning import Tuning


def open_writer(path: Path, lock: Lock, tuning: Tuning) -> sqlite3.Connection:
    """Create, check or migrate the database and mark it open. Raises DatabaseRefused."""
    try:
        if check_file(path, lock):
            check_contents(path, lock, tuning)
        else:
            _create(path, tuning.migrations)
        connection = _connect(path, tuning)
        try:
            lock.mark("open", commits(connection))
            migrate(connection, tuning.migrations)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _refused(path, error) from error
    except OSError as error:
        remedy = "check the owner and mode of the file and of its directory"
        raise DatabaseRefused(path, f"cannot be opened: {error.strerror}", remedy) from error
    return connection


def open_reader(path: Path, tuning: Tuning) -> sqlite3.Connection:
    """A second connection to a database that is open; SQLite refuses to write through it."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, cached_statements=256
    )
    connection.execute(f"PRAGMA busy_timeout = {tuning.busy_seconds * 1000:.0f}")
    connection.execute("PRAGMA query_only = ON")
    return connection


def sync_directory(directory: Path) -> None:
    """Make names in it durable (fsync(2): a file's fsync does not cover its directory entry)."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _create(path: Path, migrations: Migrations) -> None:
    """The database appears under its name complete and durable, or not at all."""
    unfinished = path.with_name(path.name + ".new")
    for end in ("", "-journal", "-wal", "-shm"):
        unfinished.with_name(unfinished.name + end).unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection, migrations)
        connection.execute("PRAGMA journal_mode = WAL")
    unfinished.rename(path)
    sync_directory(path.parent)


def _connect(path: Path, tuning: Tuning) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    for setting in (
        f"busy_timeout = {tuning.busy_seconds * 1000:.0f}",
        "journal_mode = WAL",
        f"synchronous = {tuning.synchronous}",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",  # meets a damaged page as an error, not as odd rows
        "temp_store = MEMORY",  # savepoints need no file that a full disk would refuse
        "cache_size = -32768",  # KiB
        "wal_autocheckpoint = 4000",  # pages: a page changed often is written back less often
        f"journal_size_limit = {64 * 2**20}",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    return connection


def _refused(path: Path, error: sqlite3.Error) -> DatabaseRefused:
    failure = typed(error)
    if isinstance(failure, StorageFull):
        return DatabaseRefused(path, "no space left to open it", "free some space on its disk")
    if isinstance(failure, Busy):
        return DatabaseRefused(path, "it is locked by another program", "close that program")
    return DatabaseRefused(path, f"it cannot be used ({error})", RESTORE)
