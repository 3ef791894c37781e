"""Whether a database may be opened: never an empty new one over an old one, never a damaged one."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

from hyperhive.store.failures import DatabaseRefused, error_code
from hyperhive.store.lock import Lock
from hyperhive.store.schema import APPLICATION_ID, commits, expected_objects, objects, version
from hyperhive.store.tuning import Tuning
from hyperhive.store.wal import wal_bytes, wal_path

log = logging.getLogger(__name__)

RESTORE = "it was left as it is: move it away and restore a backup"


def check_file(path: Path, lock: Lock) -> bool:
    """Look at the files without SQLite; whether there is a database. Raises DatabaseRefused."""
    in_log = wal_bytes(path)
    if not os.path.lexists(path):
        if lock.ended != "never began" or in_log is not None:
            raise DatabaseRefused(path, "the database is gone", _anew(path))
        return False
    _check_access(path)
    _check_header(path, in_log)
    if lock.ended == "clean" and in_log:
        problem = f"it was closed completely, but {wal_path(path).name} has appeared since"
        raise DatabaseRefused(path, problem, "move that file away")
    return True


def check_contents(path: Path, lock: Lock, tuning: Tuning) -> None:
    """Look at schema and pages without writing anything. Raises DatabaseRefused, sqlite3.Error.

    After a clean end the pages are checked, after a crash the indexes against their tables too.
    """
    # Read only, as the last writer to close would fold even a foreign log into the database.
    uri = f"{path.absolute().as_uri()}?mode=ro"
    wait = tuning.busy_seconds
    with closing(sqlite3.connect(uri, wait, uri=True, isolation_level=None)) as connection:
        found = version(connection)
        if found > len(tuning.migrations):
            problem = f"it has schema {found}, this hyperhive knows {len(tuning.migrations)}"
            raise DatabaseRefused(path, problem, "run the newer hyperhive again")
        if objects(connection) != expected_objects(tuning.migrations[:found]) or not found:
            raise DatabaseRefused(path, f"its schema is not that of version {found}", RESTORE)
        if (lost := lock.commits - commits(connection)) > 0:
            problem = f"the last {lost} acknowledged transactions are not in it or in its log"
            raise DatabaseRefused(path, problem, _anew(path))
        pragma = "quick_check" if lock.ended == "clean" else "integrity_check"
        if damage := _damage(connection, pragma, tuning.check_seconds):
            raise DatabaseRefused(path, f"it is damaged ({damage})", RESTORE)


def _check_access(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise DatabaseRefused(path, "it is not a regular file", "move it away")
    if status.st_uid != os.geteuid():
        problem = f"it belongs to uid {status.st_uid}, hyperhive runs as {os.geteuid()}"
        raise DatabaseRefused(path, problem, "change its owner, or run as that user")
    # Root could write to it all the same: somebody has set this on purpose.
    if not status.st_mode & stat.S_IWUSR:
        raise DatabaseRefused(path, "it is read-only", "chmod u+w it")


def _check_header(path: Path, in_log: int | None) -> None:
    """The first 100 bytes (sqlite.org/fileformat2.html, section 1.3)."""
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        raise DatabaseRefused(path, "it is empty", RESTORE)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise DatabaseRefused(path, "it is not a database, or damaged", RESTORE)
    application_id = int.from_bytes(header[68:72], "big")
    if application_id != APPLICATION_ID:
        problem = f"it is a database of another program (application id {application_id:#x})"
        raise DatabaseRefused(path, problem, "move it away")
    if in_log and header[18:20] != b"\2\2":
        problem = f"it says that it needs no log, but there is {wal_path(path).name}"
        raise DatabaseRefused(path, problem, RESTORE)
    journal = path.with_name(path.name + "-journal")
    if journal.exists():
        problem = f"{journal.name} is not of this database, SQLite would apply it"
        raise DatabaseRefused(path, problem, "move that file away")


def _damage(connection: sqlite3.Connection, pragma: str, seconds: float) -> str | None:
    """The first finding. A check that takes too long is stopped and counts as good so far."""
    done = threading.Event()
    timer = threading.Thread(target=_interrupt_after, args=(connection, seconds, done))
    timer.start()
    try:
        (finding,) = connection.execute(f"PRAGMA {pragma}(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error_code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        log.warning("the check of the database was stopped after %s s; no damage so far", seconds)
        return None
    finally:
        done.set()
        timer.join()
    return None if finding == "ok" else str(finding)


def _interrupt_after(connection: sqlite3.Connection, seconds: float, done: threading.Event) -> None:
    """Again and again: an interrupt before the statement has begun is forgotten."""
    pause = seconds
    while not done.wait(pause):
        connection.interrupt()
        pause = 0.01


def _anew(path: Path) -> str:
    return (
        "put the right files back; to go on with what is there, such as a backup, delete"
        f" {path.name}.lock (and, if it is not the backup's, {wal_path(path).name})"
    )
