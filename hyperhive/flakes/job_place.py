"""Whether a job was given its own directories.

systemd binds them as root, and follows links on the way: a service that was taken over could have
others of the host bound in their place, which their parents keep private.
"""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def foreign(job: Path, mounts: str) -> str | None:
    """What else of the host is mounted at `in` or `out` of the job (proc_pid_mountinfo(5))."""
    expected = {f"{job}/{part}": f"/jobs/{job.name}/{part}" for part in ("in", "out")}
    for line in mounts.splitlines():
        _, _, _, root, point, *_ = line.split(" ")
        if point in expected and not root.endswith(expected[point]):
            return root
    return None
