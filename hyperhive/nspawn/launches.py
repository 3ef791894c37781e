"""What the root launcher wrote down of each agent's last start, for a service that is not root."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hyperhive.protocol.model import check_name

DIRECTORY = Path("/run/hyperhive/launch")
RANGE = 65_536
"""Uids of one container, its own root's included."""
_LIMIT = 16 * 1024
_CAREFULLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Launch:
    """`uid_base` is the container's root as the host sees it; `disk_quota`, whether limits of the
    disk are enforced."""

    invocation: str
    uid_base: int
    bundle: str
    disk_quota: bool


class Launches:
    """Read anew only when the file is another one: it is asked for at every connection."""

    def __init__(self, directory: Path = DIRECTORY, owner: int = 0) -> None:
        self._directory = directory
        self._owner = owner
        self._known: dict[str, tuple[tuple[int, int, int], Launch | None]] = {}

    def find(self, agent: str) -> Launch | None:
        """None when it was never launched since the host started, or the file is not root's."""
        path = self._directory / f"{check_name(agent)}.json"
        try:
            found = path.lstat()
        except OSError:
            self._known.pop(agent, None)
            return None
        identity = (found.st_dev, found.st_ino, found.st_mtime_ns)
        known = self._known.get(agent)
        if known is None or known[0] != identity:
            known = self._known[agent] = identity, self._read(path)
        return known[1]

    def peer_allowed(self, agent: str, uid: int) -> bool:
        """Whether the uid (SO_PEERCRED, unix(7)) is of the agent's container."""
        launch = self.find(agent)
        return launch is not None and launch.uid_base <= uid < launch.uid_base + RANGE

    def _read(self, path: Path) -> Launch | None:
        try:
            fd = os.open(path, _CAREFULLY)
        except OSError:
            return None
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != self._owner:
                return None
            data = os.read(fd, _LIMIT + 1)
        finally:
            os.close(fd)
        return _parse(data) if len(data) <= _LIMIT else None


def _parse(data: bytes) -> Launch | None:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        return None
    match facts:
        # Below the first range are the host's own users, who are never a container's.
        case {
            "invocation_id": str(invocation),
            "uid_base": int(base),
            "bundle": str(bundle),
        } if base >= RANGE:
            return Launch(invocation, base, bundle, facts.get("disk_quota") is True)
    return None
