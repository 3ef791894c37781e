"""A job is begun in its own directories alone."""

from pathlib import Path

import pytest

from hyperhive.flakes.job_place import MOUNTS, foreign

JOB = Path("/var/lib/hyperhive/jobs/77")
LINE = "92 91 0:90 {} {} ro,nosuid,relatime shared:68 master:97 - ext4 /dev/vda1 rw\n"


def mounts(given: str, written: str) -> str:
    other = LINE.format("/root", "/var/lib/hyperhive/jobs")
    return other + LINE.format(given, JOB / "in") + LINE.format(written, JOB / "out")


@pytest.mark.parametrize("before", ["", "/var/lib/hyperhive", "/@/var/lib/hyperhive"])
def test_its_own_directories(before: str) -> None:
    """On the root's file system, on one of their own, and on a subvolume."""
    assert foreign(JOB, mounts(f"{before}/jobs/77/in", f"{before}/jobs/77/out")) is None


@pytest.mark.parametrize(
    "other", ["/root", "/", "/tmp", "/var/lib/hyperhive/jobs/7/in", "/var/lib/hyperhive/jobs/77"]
)
def test_others(other: str) -> None:
    own = "/var/lib/hyperhive/jobs/77"
    assert foreign(JOB, mounts(other, f"{own}/out")) == other
    assert foreign(JOB, mounts(f"{own}/in", other)) == other


def test_plain_directories(tmp_path: Path) -> None:
    """Where nothing is bound, as without a unit."""
    assert foreign(tmp_path, MOUNTS.read_text()) is None
