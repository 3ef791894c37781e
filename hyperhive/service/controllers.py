"""Whether the kernel can keep agents to their limits of memory, tasks, CPU and disk time."""

from __future__ import annotations

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = {"memory": "memory", "pids": "task", "cpu": "CPU", "io": "disk time"}
"""By the controller that enforces them (systemd.resource-control(5))."""


def problem(top: Path | None = None) -> str:
    """What nothing enforces, with the remedy; empty where all is well.

    Containers live in the unified tree. A controller that another tree has is missing from its
    `cgroup.controllers`, and where only that other tree is mounted there is no such file
    (cgroups(7)).
    """
    try:
        there = ((top or CGROUPS) / "cgroup.controllers").read_text(encoding="ascii").split()
    except OSError:
        there = []
    missing = [limit for controller, limit in _LIMITS.items() if controller not in there]
    if not missing:
        return ""
    names = " and ".join(part for part in (", ".join(missing[:-1]), missing[-1]) if part)
    return (
        f"{names} limits are not enforced: this kernel's controllers are not in the unified cgroup "
        "tree; boot with systemd.unified_cgroup_hierarchy=1 on its command line"
    )
