"""The whole purge: what stops it, what it deletes, and that it can be repeated."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.nspawn.launch_refusal import Exit
from hyperhive.nspawn.purge import Purge
from tests.nspawn.launch_world import LAUNCH, PURGE, World
from tests.nspawn.purge_sentinel import Sentinel
from tests.support.wait import wait_until

pytestmark = pytest.mark.root


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "host")
    world.add("bob")
    for name in ("alice", "bob"):
        world.launched(name)
        (world.part(name, "home") / "a/b").mkdir(parents=True)
        (world.part(name, "home") / "a/b/file").touch()
    return world


def purge(world: World, name: str = "alice") -> int:
    return Purge(str(world.policy_file)).main([name])


def left(world: World) -> list[str]:
    """Everything of agents outside of the service's own."""
    places = (world.state / "agents", world.state / "trash", world.run / "launch")
    return sorted(entry for place in places for entry in os.listdir(place))


def test_nothing_of_the_agent_is_left_and_all_of_the_others(world: World) -> None:
    assert purge(world) == 0
    assert left(world) == ["bob", "bob", "bob.json"]
    assert (world.part("bob", "home") / "a/b/file").exists()
    assert world.link("alice").is_symlink()  # the service's


def test_it_can_be_repeated_and_an_agent_that_never_started_is_gone_already(world: World) -> None:
    assert [purge(world) for _ in range(3)] == [0, 0, 0]
    assert purge(world, "carol") == 0


def test_a_new_agent_of_that_name_has_nothing_of_the_old_one(world: World) -> None:
    assert purge(world) == 0
    world.launched("alice")
    assert os.listdir(world.part("alice", "home")) == []


def test_what_an_interrupted_purge_left_is_deleted(world: World) -> None:
    (world.state / "agents/alice").rename(world.state / "trash/alice.00ff")
    (world.state / "trash/alice.00fe").symlink_to("/etc")
    (world.state / "trash/bob.00ff").mkdir()
    assert purge(world) == 0
    assert left(world) == ["bob", "bob", "bob.00ff", "bob.json"]


@pytest.mark.parametrize("arguments", [[], [""], ["a/b"], [".."], ["alice", "bob"], ["alice\n"]])
def test_only_a_name_is_taken(world: World, arguments: list[str]) -> None:
    before = left(world)
    assert Purge(str(world.policy_file)).main(arguments) == Exit.USAGE
    assert left(world) == before


def test_a_mount_in_the_agents_directories_stops_it(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sentinel = Sentinel(tmp_path / "outside")
    for point in (world.part("alice", "home") / "a/b", world.run / "launch/alice"):
        subprocess.run(["mount", "--bind", sentinel.directory, point], check=True)
        try:
            assert purge(world) == Exit.MOUNTED
        finally:
            subprocess.run(["umount", point], check=True)
        assert f"<3>purge: something is mounted at {point}" in capfd.readouterr().err
        assert "alice" in os.listdir(world.state / "agents")
    assert purge(world) == 0
    sentinel.check()


@pytest.mark.parametrize(
    "change",
    [
        lambda world: (world.state / "trash").chmod(0o755),
        lambda world: os.chown(world.state / "trash", 65_534, -1),
        lambda world: ((world.state / "trash").rmdir(), (world.state / "trash").symlink_to("/")),
        lambda world: os.chown(world.state / "agents", 65_534, -1),
        lambda world: world.state.chmod(0o777),
        lambda world: world.run.chmod(0o777),
    ],
)
def test_directories_that_are_not_roots_alone_stop_it(
    world: World, change: Callable[[World], object]
) -> None:
    change(world)
    assert purge(world) == Exit.DIRECTORIES


def test_it_waits_for_a_launch_that_holds_the_lock(world: World) -> None:
    fd = os.open(world.state / "agents", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    process = subprocess.Popen(world.command(PURGE, "alice"), env=world.environment())
    wait_until(lambda: "agents" in opened_by(process.pid), what="the purge at the lock")
    assert "alice" in os.listdir(world.state / "agents")
    assert process.poll() is None
    os.close(fd)
    assert process.wait(30) == 0
    assert "alice" not in os.listdir(world.state / "agents")


def opened_by(pid: int) -> set[str]:
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.path.basename(os.readlink(fd)))
        except FileNotFoundError:
            continue
    return found


def test_launches_and_purges_of_one_name_do_not_mix(world: World) -> None:
    """Whichever is last, the agent's directories are whole or not there.

    Without cgroups a launch can lose its directories before it becomes the container.
    """
    running = [
        (program, subprocess.Popen(world.command(program, "alice"), env=world.environment()))
        for program in (LAUNCH, PURGE) * 6
    ]
    ends = {(program, process.wait(60)) for program, process in running}
    assert ends <= {(PURGE, 0), (LAUNCH, 0), (LAUNCH, Exit.ROOT)}
    if (world.state / "agents/alice").exists():
        assert sorted(os.listdir(world.state / "agents/alice")) == ["home", "state", "workspace"]
    assert os.listdir(world.state / "trash") == []


def test_killed_at_any_moment_it_can_be_repeated(world: World) -> None:
    for number in range(12):
        world.launched("alice")
        for inner in range(200):
            os.makedirs(world.part("alice", "home") / f"{inner}/a/b")
        process = subprocess.Popen(world.command(PURGE, "alice"), env=world.environment())
        if number % 2:  # in the middle of the deletion, else while it starts
            wait_until(lambda: os.listdir(world.state / "trash"), what="the trash to fill")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert purge(world) == 0
        assert left(world) == ["bob", "bob", "bob.json"]
