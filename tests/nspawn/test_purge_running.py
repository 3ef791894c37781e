"""Whether an agent still runs, from cgroups and mounts."""

from pathlib import Path

import pytest

from hyperhive.nspawn.purge_running import mounted_below, running

UNIT = "hyperhive-agent@alice.service"


def cgroup(top: Path, path: str, populated: int) -> Path:
    directory = top / path
    directory.mkdir(parents=True)
    (directory / "cgroup.events").write_text(f"populated {populated}\nfrozen 0\n")
    return directory


@pytest.mark.parametrize("slices", ["", "machine.slice/", r"system.slice/system-a\x2db.slice/"])
def test_a_unit_with_processes_is_found_in_any_slice(tmp_path: Path, slices: str) -> None:
    found = cgroup(tmp_path, slices + UNIT, 1)
    assert running(UNIT, tmp_path) == found
    (found / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    assert running(UNIT, tmp_path) is None


def test_others_and_what_guests_name_like_it_do_not_count(tmp_path: Path) -> None:
    cgroup(tmp_path, "machine.slice/hyperhive-agent@alice2.service", 1)
    cgroup(tmp_path, f"machine.slice/hyperhive-agent@bob.service/payload/{UNIT}", 1)
    cgroup(tmp_path, f"machine.slice/hyperhive-agent@bob.service/payload/a.slice/{UNIT}", 1)
    assert running(UNIT, tmp_path) is None


def test_a_unit_that_is_not_there_is_not_running(tmp_path: Path) -> None:
    assert running(UNIT, tmp_path) is None
    assert running(UNIT, tmp_path / "no cgroups") is None


def test_a_cgroup_that_says_nothing_clear_counts_as_running(tmp_path: Path) -> None:
    found = cgroup(tmp_path, UNIT, 0)
    (found / "cgroup.events").write_text("")
    assert running(UNIT, tmp_path) == found


@pytest.mark.parametrize(
    ("point", "found"),
    [
        ("/a/alice", "/a/alice"),
        ("/a/alice/home/x", "/a/alice/home/x"),
        (r"/a/alice/home/with\040space\012", "/a/alice/home/with space\n"),
        ("/a/alice2", None),
        ("/a", None),
        ("/b/a/alice", None),
    ],
)
def test_mounts(tmp_path: Path, point: str, found: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - x x rw\n2 1 0:2 / {point} rw - x x rw\n")
    assert mounted_below(("/r/alice", "/a/alice"), mounts) == found
