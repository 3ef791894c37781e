"""Something outside of what is deleted that must stay exactly as it is."""

from __future__ import annotations

import os
from pathlib import Path


class Sentinel:
    """A file and a directory with another in it. Hard links to them may come and go."""

    def __init__(self, top: Path) -> None:
        self.file = top / "file"
        self.directory = top / "directory"
        self.directory.mkdir(parents=True)
        (self.directory / "inner").mkdir()
        for path in (self.file, self.directory / "one", self.directory / "inner/two"):
            path.write_text("sentinel")
        self._top = top
        self._before = self._look()

    def is_untouched(self) -> bool:
        return self._look() == self._before

    def check(self) -> None:
        assert self._look() == self._before

    def _look(self) -> dict[str, tuple[object, ...]]:
        return {str(path): _facts(path) for path in sorted(self._top.rglob("*"))}


def _facts(path: Path) -> tuple[object, ...]:
    found = os.lstat(path)
    content = path.read_text() if path.is_file() else ""
    return found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, content
