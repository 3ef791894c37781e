"""What root wrote of a launch, and what only looks like it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hyperhive.nspawn.launches import Launches
from hyperhive.protocol.errors import InvalidField

BASE = 1_000_013_824
LAUNCH = {"invocation_id": "0" * 32, "uid_base": BASE, "bundle": "/nix/store/x"}


@pytest.fixture
def launches(tmp_path: Path) -> Launches:
    return Launches(tmp_path, os.geteuid())


def write(directory: Path, data: object, name: str = "alice") -> None:
    """As the launcher does: another file in its place."""
    fresh = directory / ".fresh"
    fresh.write_text(data if isinstance(data, str) else json.dumps(data))
    fresh.rename(directory / f"{name}.json")


def test_uids_of_its_range(launches: Launches, tmp_path: Path) -> None:
    assert not launches.peer_allowed("alice", BASE)
    write(tmp_path, LAUNCH)
    found = launches.find("alice")
    assert found is not None
    assert (found.invocation, found.uid_base, found.bundle) == ("0" * 32, BASE, "/nix/store/x")
    for uid in (BASE, BASE + 1000, BASE + 65_535):
        assert launches.peer_allowed("alice", uid)
        assert not launches.peer_allowed("bob", uid)
    for uid in (0, 1000, 65_534, BASE - 1, BASE + 65_536, 2**32 - 1):
        assert not launches.peer_allowed("alice", uid)


@pytest.mark.parametrize(
    ("said", "quota"), [(True, True), (False, False), ("yes", False), (1, False)]
)
def test_a_disk_quota_is_what_root_says_it_is(
    launches: Launches, tmp_path: Path, said: object, quota: bool
) -> None:
    write(tmp_path, LAUNCH)
    without = launches.find("alice")
    assert without is not None
    assert without.disk_quota is False
    write(tmp_path, {**LAUNCH, "disk_quota": said})
    found = launches.find("alice")
    assert found is not None
    assert found.disk_quota is quota


def test_another_launch_counts_at_once(launches: Launches, tmp_path: Path) -> None:
    write(tmp_path, LAUNCH)
    assert launches.peer_allowed("alice", BASE)
    write(tmp_path, {**LAUNCH, "uid_base": BASE + 65_536})
    assert not launches.peer_allowed("alice", BASE)
    assert launches.peer_allowed("alice", BASE + 65_536)
    (tmp_path / "alice.json").unlink()
    assert not launches.peer_allowed("alice", BASE + 65_536)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        "null",
        "9" * 5000,
        {**LAUNCH, "uid_base": 0},
        {**LAUNCH, "uid_base": 65_535},
        {**LAUNCH, "uid_base": str(BASE)},
        {**LAUNCH, "uid_base": None},
        {"uid_base": BASE},
        json.dumps(LAUNCH) + " " * 20_000 + "x",
        "[" * 10_000,
    ],
    ids=lambda data: str(data)[:40],
)
def test_a_file_that_is_not_one(launches: Launches, tmp_path: Path, data: object) -> None:
    write(tmp_path, data)
    assert launches.find("alice") is None
    assert not launches.peer_allowed("alice", BASE)


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file(launches: Launches, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "alice.json"
    if kind == "link":
        write(tmp_path, LAUNCH, "bob")
        place.symlink_to("bob.json")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    assert launches.find("alice") is None


def test_a_file_of_another_user(tmp_path: Path) -> None:
    write(tmp_path, LAUNCH)
    assert Launches(tmp_path, os.geteuid() + 1).find("alice") is None


@pytest.mark.parametrize("name", ["../alice", "", ".", "a/b", "alice\n"])
def test_only_names_of_agents(launches: Launches, name: str) -> None:
    with pytest.raises(InvalidField):
        launches.find(name)
