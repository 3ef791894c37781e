"""The file that keeps a second instance out and tells how the last one ended."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Literal

from hyperhive.store.failures import DatabaseRefused

Mark = Literal["", "open", "closing", "clean", "unknown"]
_MARKS: tuple[Mark, ...] = ("open", "closing", "clean")


class Lock:
    """Held from construction to `release`, at the latest until the process ends (flock(2)).

    Its content is a mark and the pid that wrote it. Empty: there never was a database. `open`: one
    runs or was killed, so that its write-ahead log must be there. `clean`: it was closed, so that
    there must be none. `closing`: between the two.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            problem = f"cannot be opened: {error.strerror}"
            raise DatabaseRefused(self.path, problem, "check its owner and mode") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = f"another hyperhive{self._holder()} uses the database beside it"
            os.close(self._fd)
            raise DatabaseRefused(self.path, problem, "stop that one first") from None

    @property
    def mark(self) -> Mark:
        words = self._read().split()
        if not words:
            return ""
        return next((mark for mark in _MARKS if mark == words[0]), "unknown")

    def write(self, mark: Literal["open", "closing", "clean"]) -> None:
        """Durable on return. One short record, written in place: it is never half there."""
        os.pwrite(self._fd, f"{mark:<8}{os.getpid():>11}\n".encode(), 0)
        os.fsync(self._fd)

    def release(self) -> None:
        os.close(self._fd)

    def _holder(self) -> str:
        words = self._read().split()
        return f" (process {words[1]})" if len(words) == 2 else ""

    def _read(self) -> str:
        return os.pread(self._fd, 64, 0).decode("ascii", "replace")
