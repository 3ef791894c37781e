"""What SQLite's result codes (sqlite.org/rescode.html) mean for those who wait for an answer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hyperhive.protocol.errors import Busy, HiveError, StorageError, StorageFull

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_UNSOUND = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
_NO_ROOM = frozenset(
    # The shared memory beside the log grows with it, and says so in its own way.
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP}
)


class DatabaseRefused(StorageError):
    """The database is not opened; the message names the file and the remedy."""

    code = "database_refused"

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path


def typed(error: sqlite3.Error) -> HiveError | None:
    """The error for callers; None when the statement is at fault, not the storage."""
    code = error_code(error)
    primary = code & 0xFF
    if code in _NO_ROOM:
        return StorageFull("no space left for the database; free some space on its disk")
    if primary in _LOCKED:
        return Busy("the database is locked by another process; try again")
    if primary == sqlite3.SQLITE_INTERRUPT:
        return Busy("the query took too long and was stopped; ask for less")
    if primary == sqlite3.SQLITE_NOMEM:
        return Busy("there is not enough memory for the database; try again")
    if primary in _UNSOUND:
        return StorageError(f"the database failed: {error} ({error.sqlite_errorname})")
    return None


def error_code(error: sqlite3.Error) -> int:
    """The extended result code; errors that Python raises by itself have none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def deliverable(error: Exception) -> Exception:
    """For a caller whose own function raised it."""
    if isinstance(error, StopIteration):  # only by mistake, but a future does not accept it
        return RuntimeError(repr(error))
    if isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode"):
        # Not of SQLite but of Python, on reading bytes that are not UTF-8.
        return StorageError(f"a text in the database is damaged: {error}")
    return error
