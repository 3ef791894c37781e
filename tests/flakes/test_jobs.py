"""The directories of jobs: who may read and write what, and what is left of them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.flakes.jobs import Jobs
from hyperhive.protocol.builds import Request
from hyperhive.protocol.errors import Conflict, InvalidField, Unavailable

REQUEST = Request(verb="eval", agent="alice", seconds=5)
OTHER = 65_534


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    previous = os.umask(0o077)  # as the service has it
    directory = tmp_path / "jobs"
    directory.mkdir()
    directory.chmod(0o2710)
    yield Jobs(directory)
    os.umask(previous)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o777


def test_what_is_asked_can_be_read_and_what_comes_of_it_written(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.make(17, REQUEST)
    assert job.path == tmp_path / "jobs/17"
    assert [mode(job.path / name) for name in (".", "in", "out")] == [0o750, 0o750, 0o770]
    assert json.loads((job.path / "in/request.json").read_text()) == {
        "verb": "eval",
        "agent": "alice",
        "seconds": 5,
        "offline": True,
        "compare": False,
    }
    assert mode(job.path / "in/request.json") == 0o644


@pytest.mark.root
def test_all_of_it_is_the_other_groups(jobs: Jobs, tmp_path: Path) -> None:
    os.chown(tmp_path / "jobs", 0, OTHER)
    (tmp_path / "jobs").chmod(0o2710)
    job = jobs.make(1, REQUEST)
    for path in (job.path, job.path / "in", job.out):
        assert path.stat().st_gid == OTHER


def test_a_flake_is_copied_with_what_its_links_point_to(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "store/lib").mkdir(parents=True)
    (tmp_path / "store/flake.nix").write_text("{ }")
    (tmp_path / "store/lib/a.nix").write_text("1")
    source = tmp_path / "flake"
    source.mkdir()
    for name in ("flake.nix", "lib"):
        (source / name).symlink_to(tmp_path / "store" / name)
    job = jobs.make(1, REQUEST)
    jobs.add_flake(job, source, "alice")
    found = {str(p.relative_to(job.flake)): mode(p) for p in job.flake.rglob("*")}
    assert found == {"flake.nix": 0o644, "lib": 0o755, "lib/a.nix": 0o644, "host.json": 0o644}
    assert not any(path.is_symlink() for path in job.flake.rglob("*"))
    assert json.loads((job.flake / "host.json").read_text()) == {"name": "alice"}


def test_no_flake(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="none cannot be copied"):
        jobs.add_flake(jobs.make(1, REQUEST), tmp_path / "none", "alice")


def test_a_number_is_given_once_until_it_is_removed(jobs: Jobs, tmp_path: Path) -> None:
    jobs.make(1, REQUEST)
    with pytest.raises(Conflict, match="a job 1 already"):
        jobs.make(1, REQUEST)
    (tmp_path / "jobs/other").mkdir()
    assert list(jobs.ids()) == ["1"]
    jobs.remove("1")
    jobs.remove("1")
    assert list(jobs.ids()) == []
    jobs.make(1, REQUEST)


@pytest.mark.parametrize("number", [-1, 10**12])
def test_numbers_have_twelve_digits(jobs: Jobs, number: int) -> None:
    with pytest.raises(InvalidField, match="1 to 12 digits"):
        jobs.make(number, REQUEST)


def test_links_in_what_came_of_it_are_not_followed(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("")
    job = jobs.make(1, REQUEST)
    (job.out / "link").symlink_to(tmp_path / "kept")
    jobs.remove("1")
    assert (tmp_path / "kept/file").exists()


def test_no_directory(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "none")
    with pytest.raises(Unavailable, match="No such file"):
        list(jobs.ids())
    with pytest.raises(Unavailable, match="cannot be made"):
        jobs.make(1, REQUEST)
