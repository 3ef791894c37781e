"""Each agent's directories, and the uid that owns them."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.model import check_name

FIRST_BASE = 1_000_000_000
LAST_BASE = 1_879_048_192 - 65_536
RANGE = 65_536
AGENT_UID = 1_000
"""Offset of the user `agent` in its range, the same as in a container."""

_LOG_LIMIT = 8 * 1024 * 1024
_TAIL = 512 * 1024
_OWNED = ("state", "home", "workspace", "tmp")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one agent lives and as whom; `uid` is ours when we are not root."""

    root: Path
    uid: int

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def log(self) -> Path:
        return self.root / "harness.log"


class Directories:
    """Made on first start; the uid is recorded by ownership, so no list can disagree with it."""

    def __init__(self, agents_dir: Path) -> None:
        self._dir = agents_dir
        self._trash = agents_dir / ".trash"

    def find(self, name: str) -> Place | None:
        """The agent's place, if it was made."""
        root = self._dir / check_name(name)
        try:
            return Place(root, os.lstat(root / "state").st_uid)
        except FileNotFoundError:
            return None

    def make(self, name: str) -> Place:
        """The agent's place, made if need be; repeatable after a crash at any point."""
        root = self._dir / check_name(name)
        self._dir.mkdir(parents=True, exist_ok=True, mode=0o711)
        found = self.find(name)
        uid = found.uid if found else self._free_uid()
        root.mkdir(exist_ok=True)
        root.chmod(0o711)  # others may pass through, not look
        for part in reversed(_OWNED):  # `state` last: it marks the place as made
            directory = root / part
            if not directory.is_symlink() and not directory.exists():
                directory.mkdir(mode=0o700)
                os.chown(directory, uid, uid if os.geteuid() == 0 else -1, follow_symlinks=False)
        return Place(root, uid)

    def _free_uid(self) -> int:
        """A uid for a new agent: its own if we are root, else ours."""
        if os.geteuid() != 0:
            return os.geteuid()
        taken = {place.uid for entry in self._names() if (place := self.find(entry))}
        for base in range(FIRST_BASE, LAST_BASE, RANGE):
            if base + AGENT_UID not in taken:
                return base + AGENT_UID
        raise Unavailable("no uid range is free for another agent")

    def _names(self) -> list[str]:
        return [e.name for e in self._dir.iterdir() if e.is_dir() and not e.name.startswith(".")]

    def remove(self, name: str) -> None:
        """Delete for good: put aside first, so that the name is never half there."""
        root = self._dir / check_name(name)
        self._trash.mkdir(exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # put aside by an earlier try
            root.rename(self._trash / f"{name}-{uuid.uuid4().hex}")
        for leftover in self._trash.iterdir():
            shutil.rmtree(leftover)  # by descriptors: it follows no link

    def open_log(self, place: Place) -> int:
        """A descriptor to append to; a log that grew too long is begun anew, the old one kept."""
        if place.log.exists() and place.log.stat().st_size > _LOG_LIMIT:
            place.log.replace(place.log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(place.log, flags, 0o600)

    def tail(self, name: str, lines: int) -> Sequence[str]:
        place = self.find(name)
        if place is None or not place.log.exists():
            return []
        with place.log.open("rb") as file:
            file.seek(max(0, place.log.stat().st_size - _TAIL))
            return file.read().decode(errors="replace").splitlines()[-lines:]
