"""Every file in which the kernel takes orders, opened to be written to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial

from tests.host.attempts import Attempt, mount

TOPS = {"proc": "/proc", "sysfs": "/sys", "cgroup2": "/sys/fs/cgroup"}


def attempts(*, fresh: bool) -> dict[str, Attempt]:
    """With `fresh` in mounts of one's own. A name is the kind of file system and a path in it."""
    made: dict[str, Attempt] = {}
    place = tempfile.mkdtemp()
    for kind, usual in TOPS.items():
        top = f"{place}/{kind}" if fresh else usual
        if fresh:
            mount(kind, top)
        made |= {kind + path[len(top) :]: partial(order, path) for path in files(kind, top)}
    if fresh:
        for controller in controllers():
            top = f"{place}/{controller}"
            mount("cgroup", top, data=controller)
            made |= {f"v1{path[len(place) :]}": partial(order, path) for path in files("v1", top)}
    return made


def files(kind: str, top: str) -> Iterator[str]:
    """Not what processes have: theirs is in the same namespaces."""
    for directory, directories, names in os.walk(top):
        if kind == "proc" and directory == top:
            own = ("self", "thread-self")
            directories[:] = [d for d in directories if not d.isdigit() and d not in own]
        paths = (os.path.join(directory, name) for name in names)
        yield from (path for path in paths if not os.path.islink(path))


def controllers() -> list[str]:
    """Of the first version of cgroups(7), where this kernel has it."""
    with open("/proc/self/cgroup", encoding="utf-8") as own:
        names = [line.split(":")[1] for line in own]
    return [name for name in names if name and not name.startswith("name=")]


def order(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
