"""Each agent's directories, and the uid that owns them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hyperhive.local import uids
from hyperhive.local.removal import remove_tree
from hyperhive.protocol.errors import HiveError, Unavailable
from hyperhive.protocol.model import check_name

_OWNED = ("state", "home", "workspace", "tmp")
"""`state` is first: its owner is the record of the agent's uid."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one agent lives and as whom; `uid` is ours when we are not root."""

    root: Path
    uid: int

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def log(self) -> Path:
        """Not the agent's: it lies beside what is, in a directory of ours."""
        return self.root / "harness.log"


class Directories:
    """The agents' directories of one hive. Raises InvalidField for what is no agent's name."""

    def __init__(self, agents_dir: Path) -> None:
        self._dir = agents_dir
        self._trash = agents_dir / ".trash"

    def find(self, name: str) -> Place | None:
        """The agent's place, if it was made."""
        root = self._dir / check_name(name)
        try:
            found = os.lstat(root / _OWNED[0])
        except FileNotFoundError:
            return None
        return Place(root, found.st_uid) if stat.S_ISDIR(found.st_mode) else None

    def make(self, name: str, siblings: Iterable[Path] = ()) -> Place:
        """The agent's place, made if need be; repeatable after a crash at any point.

        `siblings` are the agents' directories of other hives, whose uids are not to be used.
        """
        root = self._dir / check_name(name)
        _passable(self._dir)
        found = self.find(name)
        uid = found.uid if found else uids.choose(self._taken(siblings))
        if not uids.is_agents(uid):
            raise Unavailable(
                f"{root} belongs to uid {uid}, which is no agent's; move it away, or purge {name}"
            )
        _passable(root)
        for part in _OWNED:
            if not os.path.lexists(root / part):
                _make_owned(root / part, uid)
        return Place(root, uid)

    def _taken(self, siblings: Iterable[Path]) -> set[int]:
        places = self.all()
        for other in siblings:
            places += Directories(other).all()
        return {place.uid for place in places}

    def all(self) -> list[Place]:
        """Every agent's place, as far as they can be listed."""
        return [place for name in self.names() if (place := self.find(name))]

    def names(self) -> list[str]:
        """Of all agents that have directories here."""
        try:
            return [entry.name for entry in os.scandir(self._dir) if _is_agent(entry)]
        except OSError:
            return []

    def remove(self, name: str) -> None:
        """Delete for good: put aside first, so that the name is never half there."""
        root = self._dir / check_name(name)
        self._trash.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.path.lexists(root):
            root.rename(self._trash / f"{name}.{os.urandom(8).hex()}")
        for entry in os.listdir(self._trash):
            if entry.partition(".")[0] == name:  # also what an earlier try left
                remove_tree(self._trash, entry)


def _is_agent(entry: os.DirEntry[str]) -> bool:
    try:
        check_name(entry.name)
    except HiveError:
        return False
    return entry.is_dir(follow_symlinks=False)


def _passable(directory: Path) -> None:
    """Agents may pass through on the way to their own, not look around."""
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)  # mkdir's mode is cut by the umask


def _make_owned(directory: Path, uid: int) -> None:
    """It appears with its owner, or not at all."""
    fresh = directory.with_name(f".{directory.name}")
    if fresh.exists():
        fresh.rmdir()  # of a crash; nobody was told of it, so it is empty
    fresh.mkdir(mode=0o700)
    if uids.own_users():
        os.chown(fresh, uid, uid, follow_symlinks=False)
    fresh.rename(directory)
