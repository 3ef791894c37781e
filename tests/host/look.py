"""What processes of a cgroup are and hold, read in the nested host: `look.py CGROUP`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main(cgroup: str) -> None:
    sys.stdout.write(json.dumps([*processes(Path(cgroup))]) + "\n")


def processes(cgroup: Path) -> Iterator[dict[str, Any]]:
    """Without those that ended meanwhile."""
    for directory, _, _ in os.walk(cgroup):  # which passes over what has gone
        for pid in members(Path(directory)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield process(Path("/proc", pid), os.path.relpath(directory, cgroup))


def members(cgroup: Path) -> list[str]:
    try:
        return (cgroup / "cgroup.procs").read_text().split()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENODEV}:  # gone, before it was opened or after
            return []
        raise


def process(at: Path, cgroup: str) -> dict[str, Any]:
    lines = (at / "status").read_text().splitlines()
    return {
        "pid": int(at.name),
        "cgroup": cgroup,
        "command": (at / "cmdline").read_bytes().decode(),
        "status": {key: words.split() for key, words in (line.split(":", 1) for line in lines)},
        "uid_map": [int(word) for word in (at / "uid_map").read_text().split()],
        "gid_map": [int(word) for word in (at / "gid_map").read_text().split()],
        "files": [*files(at)],
    }


def files(process: Path) -> Iterator[dict[str, str | bool]]:
    """Without those it closed meanwhile."""
    for link in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield file(process, link.name)


def file(process: Path, fd: str) -> dict[str, str | bool]:
    """Where a descriptor points to, and whether that is the process's own.

    What has a path lies in a mount, and a socket in a network namespace. What has neither, as a
    pipe, cannot be told apart.
    """
    target = os.readlink(process / "fd" / fd)
    if target.startswith("socket:"):
        return {"target": target, "own": target[8:-1] in sockets(process / "net")}
    if target.startswith(("pipe:", "anon_inode:")):
        return {"target": target, "own": True}
    info = dict(line.split(":", 1) for line in (process / "fdinfo" / fd).read_text().splitlines())
    mounts = {line.split()[0] for line in (process / "mountinfo").read_text().splitlines()}
    return {"target": target, "own": info["mnt_id"].strip() in mounts}


def sockets(net: Path) -> set[str]:
    """Inodes of all that the network namespace has."""
    tables = {"unix": 6, "netlink": 9, "tcp": 9, "tcp6": 9, "udp": 9, "udp6": 9}
    rows = ((line.split(), column) for name, column in tables.items() for line in table(net / name))
    return {row[column] for row, column in rows}


def table(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []


if __name__ == "__main__":
    main(sys.argv[1])
