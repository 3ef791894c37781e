"""Space set aside, so that acknowledgements and deletions still work when the disk is full."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from pathlib import Path

log = logging.getLogger(__name__)

RETRY_AFTER = 1.0
"""Seconds between attempts to set the space aside again."""


class Reserve:
    """A file of `size` bytes beside the database, given up when the disk is full.

    Until it could be set aside again `full` is true and only essential changes are let through.
    """

    def __init__(self, database: Path, size: int) -> None:
        self._path = database.with_name(database.name + ".reserve")
        self._size = size
        self._tried_at = float("-inf")
        self.full = False

    def take(self) -> None:
        """Set the space aside unless it is; on a filesystem that cannot, do without."""
        self._tried_at = time.monotonic()
        try:
            self.full = not (self._is_held() or self._allocate())
        except OSError as error:
            self.full = False
            log.warning("%s: no reserve for a full disk: %s", self._path, error.strerror)

    def take_again(self) -> None:
        """Like `take` while the disk is full, at most once in RETRY_AFTER."""
        if self.full and time.monotonic() - self._tried_at >= RETRY_AFTER:
            self.take()
            if not self.full:
                log.warning("%s: there is space again", self._path)

    def release(self) -> None:
        if not self.full:
            log.warning("%s: the disk is full; only essential changes are accepted", self._path)
        self.full = True
        self._path.unlink(missing_ok=True)

    def release_if_tight(self) -> None:
        """Before opening: SQLite needs a little space to open a database at all."""
        if shutil.disk_usage(self._path.parent).free < self._size // 16:
            self._path.unlink(missing_ok=True)

    def _is_held(self) -> bool:
        try:
            return self._path.stat().st_blocks * 512 >= self._size
        except FileNotFoundError:
            return False

    def _allocate(self) -> bool:
        # With a margin, or the next few writes would fill the disk and give it up again.
        if shutil.disk_usage(self._path.parent).free < self._size + self._size // 4:
            return False
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._size)
        except OSError as error:
            self._path.unlink()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            raise
        finally:
            os.close(fd)
        return True
