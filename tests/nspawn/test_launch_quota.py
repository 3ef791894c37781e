"""Disk quotas on a file system that has them."""

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nspawn.launch_world import LAUNCH, World

pytestmark = pytest.mark.quota
MIB = 2**20


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def filesystem(directory: Path, options: str) -> Path:
    image, target = directory / "image", directory / "mounted"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    run("mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota", image)
    target.mkdir()
    run("mount", "-o", options, image, target)
    return target


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    target = filesystem(tmp_path, "loop,prjquota")
    yield target
    run("umount", target)


@pytest.fixture
def world(disk: Path) -> World:
    return World(disk / "host")


def launch(world: World, **limits: int) -> int:
    world.write_policy(ceilings=limits)
    facts = world.launched("alice")
    assert facts["disk_quota"] is True
    base: int = facts["uid_base"]
    return base


# Neither root's nor the owner's: as the guest's root, who has no capability on the host.
WRITE = """
import os, sys
path, uid, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
os.chdir(path)
try:
    for number in range(1000 if size == 0 else 1):
        with open(f"file{number}", "wb") as file:
            file.write(bytes(size))
except OSError as error:
    sys.exit(error.errno)
"""


def write(world: World, base: int, part: str, size: int) -> int:
    """The errno of writing so many bytes, or of making a thousand empty files."""
    code = f"import os; os.chdir({str(world.state / 'agents/alice')!r})\n{WRITE}"
    code = code.replace("import os, sys\n", "import sys\n", 1)
    (world.state / "agents").chmod(0o711)
    (world.state / "agents/alice").chmod(0o711)
    argv = ["/usr/bin/python3", "-I", "-c", code, part, str(base + 1000), str(size)]
    done = subprocess.run(argv, timeout=60, check=False)
    (world.state / "agents").chmod(0o700)
    (world.state / "agents/alice").chmod(0o700)
    return done.returncode


def test_bytes_of_all_directories_together_are_limited(world: World) -> None:
    base = launch(world, diskMax=4 * MIB)
    assert write(world, base, "home", 3 * MIB) == 0
    assert write(world, base, "workspace", 3 * MIB) == errno.EDQUOT
    assert write(world, base, "state", 100_000) in (0, errno.EDQUOT)
    launch(world, diskMax=20 * MIB)
    assert write(world, base, "workspace", 3 * MIB) == 0


def test_inodes_are_limited(world: World) -> None:
    base = launch(world, inodesMax=200)
    assert write(world, base, "home", 0) == errno.EDQUOT
    assert 150 < len(os.listdir(world.part("alice", "home"))) < 200


def test_what_is_not_limited_is_counted_all_the_same(world: World) -> None:
    base = launch(world, inodesMax=1_000)
    assert write(world, base, "home", 3 * MIB) == 0


def test_another_agent_has_its_own_limit(world: World) -> None:
    base = launch(world, diskMax=4 * MIB)
    assert write(world, base, "home", 3 * MIB) == 0
    world.add("bob")
    assert world.launched("bob")["uid_base"] != base
    (world.state / "agents/alice").rename(world.state / "alice")
    (world.state / "agents/bob").rename(world.state / "agents/alice")
    bob = os.lstat(world.part("alice", "home")).st_uid - 1000
    assert write(world, bob, "home", 3 * MIB) == 0


def test_a_file_system_that_only_counts_is_no_limit(tmp_path: Path) -> None:
    target = filesystem(tmp_path, "loop")
    try:
        world = World(target / "host")
        world.write_policy(ceilings={"diskMax": 4 * MIB})
        assert world.call(LAUNCH, "alice").returncode == 0
        assert not json.loads((world.run / "launch/alice.json").read_text())["disk_quota"]
    finally:
        run("umount", target)
