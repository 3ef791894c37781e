"""What is kept from garbage collection."""

from pathlib import Path

import pytest

from hyperhive.flakes.roots import ROLES, Roots
from hyperhive.protocol.errors import InvalidField, Unavailable

ONE, OTHER = (f"/nix/store/{letter * 32}-bundle" for letter in "ab")


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(tmp_path)


def test_one_path_for_each_role(roots: Roots, tmp_path: Path) -> None:
    roots.keep("alice", "pending", f"{ONE}.drv")
    roots.keep("alice", "pending", OTHER)
    roots.keep("alice", "running", ONE)
    assert {role: roots.kept("alice", role) for role in ROLES} == {
        "running": ONE,
        "previous": None,
        "pending": OTHER,
        "proposed": None,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"alice-running", "alice-pending"}


def test_what_is_released_is_gone_and_others_stay(roots: Roots) -> None:
    for name in ("alice", "alice-running"):
        for role in ROLES:
            roots.keep(name, role, ONE)
    roots.release("alice", "pending")
    roots.release("alice", "pending")
    assert [roots.kept("alice", role) for role in ROLES] == [ONE, ONE, None, ONE]
    roots.release("alice", None)
    assert [roots.kept("alice", role) for role in ROLES] == [None] * 4
    assert [roots.kept("alice-running", role) for role in ROLES] == [ONE] * 4


def test_a_crash_in_between_leaves_the_old_one_and_no_trouble(roots: Roots, tmp_path: Path) -> None:
    roots.keep("alice", "running", ONE)
    (tmp_path / ".alice-running.new").symlink_to(OTHER)
    assert roots.kept("alice", "running") == ONE
    roots.keep("alice", "running", OTHER)
    assert roots.kept("alice", "running") == OTHER


@pytest.mark.parametrize("path", ["/etc", "/nix/store", f"{ONE}/x", f"{ONE}\n", "/nix/store/x-y"])
def test_only_whole_paths_of_the_store(roots: Roots, path: str) -> None:
    with pytest.raises(InvalidField, match="must be a path in /nix/store"):
        roots.keep("alice", "running", path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    roots = Roots(tmp_path / "none")
    with pytest.raises(Unavailable, match="cannot be made: No such file"):
        roots.keep("alice", "running", ONE)
    roots.release("alice", None)
    assert roots.kept("alice", "running") is None
