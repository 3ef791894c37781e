"""An agent's directories: made once, put right again, and refused when they are not ours."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.nspawn import launch_ranges
from hyperhive.nspawn.launch_places import Place, settle
from hyperhive.nspawn.launch_policy import read_policy
from hyperhive.nspawn.launch_refusal import Exit, Refused
from tests.nspawn.launch_world import SERVICE_UID, World

pytestmark = pytest.mark.root
SIZE = 65_536
PARTS = ("state", "home", "workspace")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "host")


def place(world: World, name: str = "alice", bases: range = launch_ranges.BASES) -> Place:
    return settle(read_policy(str(world.policy_file)), name, bases)


def status(world: World, name: str = "alice", bases: range = launch_ranges.BASES) -> Exit:
    with pytest.raises(Refused) as refused:
        place(world, name, bases)
    return refused.value.status


def test_the_range_stays_the_same(world: World) -> None:
    first = place(world)
    assert [place(world) for _ in range(3)] == [first] * 3


def test_it_is_known_from_any_part_that_is_left(world: World) -> None:
    first = place(world)
    for keep in PARTS:
        for part in set(PARTS) - {keep}:
            world.part("alice", part).rmdir()
        assert place(world) == first


def test_what_the_guest_changed_is_put_right(world: World) -> None:
    base = place(world).base
    os.chown(world.part("alice", "state"), base, base + 65_535)
    world.part("alice", "home").chmod(0o4777)
    (world.part("alice", "home") / "file").touch()
    assert place(world).base == base
    for part in PARTS:
        found = os.lstat(world.part("alice", part))
        assert (found.st_uid, found.st_gid) == (base + 1000, base + 1000)
        assert stat.S_IMODE(found.st_mode) == 0o700
    assert os.lstat(world.part("alice", "home") / "file").st_uid == 0  # and nothing below it


def test_a_crash_in_the_middle_is_made_good(world: World) -> None:
    base = place(world).base
    for part in ("home", "workspace"):
        world.part("alice", part).rmdir()
    world.part("alice", ".home").mkdir()  # made, and not yet given to anybody
    assert place(world).base == base
    assert sorted(os.listdir(world.state / "agents/alice")) == sorted(PARTS)


def make_link(path: Path) -> None:
    path.rmdir()
    path.symlink_to("/etc")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "change",
    [
        make_link,
        lambda path: (path.rmdir(), path.touch()),
        lambda path: os.chown(path, 0, 0),
        lambda path: os.chown(path, 1000, 1000),
        lambda path: os.chown(path, SERVICE_UID, SERVICE_UID),
        lambda path: os.chown(path, -1, 0),
        lambda path: os.chown(path, 2**31, 2**31),
        lambda path: os.chown(path, 1_879_048_192, 1_879_048_192),
        lambda path: os.chown(path, os.lstat(path).st_uid + SIZE, os.lstat(path).st_gid + SIZE),
    ],
)
def test_a_part_that_is_not_the_agents(
    world: World, part: str, change: Callable[[Path], object]
) -> None:
    place(world)
    change(world.part("alice", part))
    before = os.lstat(world.part("alice", part))
    assert status(world) == Exit.DIRECTORIES
    assert os.lstat(world.part("alice", part)) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda world: (world.state / "agents").chmod(0o755),
        lambda world: (world.state / "agents").chmod(0o770),
        lambda world: os.chown(world.state / "agents", SERVICE_UID, -1),
        lambda world: make_link(world.state / "agents"),
        lambda world: (world.state / "agents").rmdir(),
        lambda world: (world.state / "trash").chmod(0o711),
        lambda world: make_link(world.state / "trash"),
        lambda world: (world.state / "agents/alice").mkdir(0o755),
        lambda world: (world.state / "agents/alice").symlink_to("../trash"),
        lambda world: (world.state / "agents/alice").touch(),
        lambda world: world.give(world.state / "agents/alice"),
        lambda world: world.state.chmod(0o777),
    ],
)
def test_directories_above_that_are_not_roots_alone(
    world: World, change: Callable[[World], object]
) -> None:
    change(world)
    assert status(world) == Exit.DIRECTORIES


def test_a_copy_of_another_agents_directories_is_refused(world: World) -> None:
    base = place(world, "bob").base
    own = world.state / "agents/alice"
    own.mkdir(0o700)
    world.give(own / "state", base + 1000)
    assert status(world) == Exit.RANGES


def test_ranges_are_used_up_one_by_one(world: World) -> None:
    bases = launch_ranges.BASES[:3]
    given = {place(world, name, bases).base for name in ("a", "b", "c")}
    assert given == set(bases)
    assert status(world, "d", bases) == Exit.RANGES
    assert place(world, "a", bases).base in given


def test_what_waits_in_the_trash_keeps_its_range(world: World) -> None:
    bases = launch_ranges.BASES[:1]
    place(world, "a", bases)
    (world.state / "agents/a").rename(world.state / "trash/a.0123")
    assert status(world, "b", bases) == Exit.RANGES
    for part in PARTS:
        (world.state / f"trash/a.0123/{part}").rmdir()
    assert place(world, "b", bases).base == bases[0]


def test_the_agents_of_a_crash_keep_theirs(world: World) -> None:
    bases = launch_ranges.BASES[:1]
    (world.state / "agents/a").mkdir(0o700)
    world.give(world.state / "agents/a/.state", bases[0] + 1000)
    assert status(world, "b", bases) == Exit.RANGES
