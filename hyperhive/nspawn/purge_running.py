"""Whether anything of an agent still runs or is mounted, in which case nothing may be deleted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def running(unit: str, top: Path = CGROUPS) -> Path | None:
    """The unit's cgroup if there are processes in it, or in one below it (cgroups(7))."""
    for cgroup in _cgroups_of(unit, top):
        try:
            events = (cgroup / "cgroup.events").read_text(encoding="ascii").split()
        except FileNotFoundError:  # it ended just now
            continue
        if "populated 0" not in " ".join(events):
            return cgroup
    return None


def _cgroups_of(unit: str, top: Path) -> Iterator[Path]:
    """Only slices are looked into: a guest may name the cgroups below its own unit as it likes."""
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        try:
            names = [entry.name for entry in os.scandir(directory) if entry.is_dir()]
        except FileNotFoundError:
            continue
        waiting += [directory / name for name in names if name.endswith(".slice")]
        if unit in names:
            yield directory / unit


def mounted_below(paths: tuple[str, ...], mounts: Path = MOUNTS) -> str | None:
    """A mount point at or below one of the paths (proc_pid_mountinfo(5))."""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4])
        if any(point == path or point.startswith(f"{path}/") for path in paths):
            return point
    return None
