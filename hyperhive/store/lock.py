"""The file that keeps a second instance out and remembers what the last one acknowledged."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Literal

from hyperhive.store.failures import DatabaseRefused

Ended = Literal["never began", "open", "clean"]
_RECORD = re.compile(rb"(open|clean) +(\d+) +(\d+)\n")


class Lock:
    """Held from construction to `release`, at the latest until the process ends (flock(2)).

    `ended` is how the last instance did: `open` means that it was killed. `commits` is how many
    transactions it had acknowledged, at least: a database with fewer is not the one it wrote to.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            problem = f"cannot be opened: {error.strerror}"
            raise DatabaseRefused(self.path, problem, "check its owner and mode") from None
        record = os.pread(self._fd, 100, 0)
        match = _RECORD.fullmatch(record)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            holder = f" (process {int(match[2])})" if match else ""
            problem = f"another hyperhive{holder} uses the database beside it"
            raise DatabaseRefused(self.path, problem, "stop that one first") from None
        self.ended: Ended = "never began"
        self.commits = 0
        if match:
            self.ended = "clean" if match[1] == b"clean" else "open"
            self.commits = int(match[3])
        elif record:
            self.ended = "open"

    def committed(self, commits: int) -> None:
        """Not synced: a power cut may leave an older number here, never a newer one."""
        self._write("open", commits)

    def mark(self, state: Literal["open", "clean"], commits: int) -> None:
        """Durable on return."""
        self._write(state, commits)
        os.fsync(self._fd)

    def release(self) -> None:
        os.close(self._fd)

    def _write(self, state: str, commits: int) -> None:
        # One short record in place, always of the same length: it is never half there.
        os.pwrite(self._fd, f"{state:<6}{os.getpid():>11}{commits:>20}\n".encode(), 0)
