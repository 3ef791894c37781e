"""A whole launch up to the exec, with stand-ins for systemd's programs."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hyperhive.nspawn.launch_refusal import Exit
from tests.nspawn.launch_world import INVOCATION, LAUNCH, World

pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "host")


def options(world: World) -> list[str]:
    argv: list[str] = world.record()["argv"][1:]
    return argv


def test_it_becomes_nspawn_with_a_range_of_its_own(world: World) -> None:
    facts = world.launched("alice")
    base = facts["uid_base"]
    assert facts == {
        "invocation_id": INVOCATION,
        "uid_base": base,
        "bundle": str(world.store / "bundle-alice"),
        "disk_quota": False,
    }
    assert base % 65_536 == 0
    assert 1_000_000_000 <= base <= 1_879_048_192 - 65_536
    stage = world.run / "launch/alice"
    for option in (
        "--settings=no",
        "--keep-unit",
        "--machine=h-alice",
        f"--directory={stage}/root",
        f"--private-users={base}:65536",
        "--private-users-ownership=chown",
        "--private-network",
        "--no-new-privileges=yes",
        "--link-journal=no",
        "--console=read-only",
        f"--bind-ro={stage}/hive:/run/hive",
    ):
        assert option in options(world)
    assert options(world)[-2:] == ["--", str(world.store / "bundle-alice/system/init")]
    assert not any(option.startswith("--capability") for option in options(world))


def test_the_directories_are_the_agents_from_birth_below_roots(world: World) -> None:
    base = world.launched("alice")["uid_base"]
    top = os.lstat(world.state / "agents/alice")
    assert (top.st_uid, stat.S_IMODE(top.st_mode)) == (0, 0o700)
    for part in ("state", "home", "workspace"):
        found = os.lstat(world.part("alice", part))
        assert (found.st_uid, found.st_gid) == (base + 1000, base + 1000)
        assert stat.S_IMODE(found.st_mode) == 0o700
    assert stat.S_IMODE(os.lstat(world.run / "launch/alice.json").st_mode) == 0o644
    assert stat.S_IMODE(os.lstat(world.run / "launch/alice").st_mode) == 0o700


def test_the_mounts_are_limited_and_nobody_elses(world: World) -> None:
    world.launched("alice")
    stage = f"{world.run}/launch/alice"
    mounts = {line.split()[4]: line for line in world.record()["mounts"].splitlines()}
    root = mounts[f"{stage}/root"]
    assert " rw,nosuid,nodev," in root
    assert "size=1024k" in root
    assert "nr_inodes=200" in root
    assert " ro,nosuid,nodev,noexec," in mounts[f"{stage}/hive"]
    for part in ("state", "home", "workspace"):
        assert " rw,nosuid,nodev," in mounts[f"{stage}/{part}"]
    assert stage not in Path("/proc/self/mountinfo").read_text()
    assert os.listdir(stage) == []


def test_no_descriptor_and_no_variable_is_passed_on(world: World, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        environment = world.environment(
            LISTEN_FDS="1", SYSTEMD_SECCOMP="0", NOTIFY_SOCKET="/n", KEY="secret"
        )
        done = world.call(LAUNCH, "alice", env=environment, pass_fds=[secret.fileno()])
    assert done.returncode == 0, done.stderr
    record = world.record()
    # The recorder's own: its program, which the interpreter may hold open.
    assert set(record["fds"]) <= {"0", "1", "2", "3"}
    assert not [path for path in record["fds"].values() if path.startswith(str(tmp_path / "s"))]
    given = {"PATH", "INVOCATION_ID", "NOTIFY_SOCKET", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"}
    assert set(record["env"]) - {"LC_CTYPE"} == given


def test_a_bundle_narrows_what_the_host_allows_and_never_widens_it(world: World) -> None:
    ceilings = {"memoryMax": 2**30, "cpuQuota": 100, "tasksMax": 500, "ioWeight": 50}
    world.write_policy(ceilings=ceilings, agents={"carol": {"ceilings": {"memoryMax": 2**31}}})
    world.add("carol", {"limits": {"memoryMax": 2**40, "cpuQuota": 50}})
    world.launched("carol")
    assert world.record("systemctl")["argv"][1:] == [
        "--runtime",
        "set-property",
        "hyperhive-agent@carol.service",
        "CPUQuota=50%",
        "IOWeight=50",
        f"MemoryMax={2**31}",
        "MemorySwapMax=0",
        "TasksMax=500",
    ]


def test_binds_capabilities_and_devices_are_the_hosts(world: World) -> None:
    bind = {"source": "/srv/data", "target": "/data"}
    own = {
        "binds": [bind, {"source": "/srv/out", "target": "/out", "writable": True}],
        "capabilities": ["CAP_NET_RAW"],
        "devices": ["/dev/kvm"],
    }
    world.write_policy(agents={"alice": own})
    world.launched("alice")
    assert "--bind-ro=/srv/data:/data" in options(world)
    assert "--bind=/srv/out:/out" in options(world)
    assert "--bind=/dev/kvm" in options(world)
    assert "--capability=CAP_NET_RAW" in options(world)
    (dropped,) = [o for o in options(world) if o.startswith("--drop-capability=")]
    assert "CAP_NET_RAW" not in dropped
    assert "CAP_MKNOD" in dropped
    assert "DeviceAllow=/dev/kvm rw" in world.record("systemctl")["argv"]


def test_the_skeleton_is_copied_and_left_alone(world: World, tmp_path: Path) -> None:
    skeleton = tmp_path / "skeleton"
    (skeleton / "etc").mkdir(parents=True)
    (skeleton / "etc/passwd").write_text("root")
    (skeleton / "bin").symlink_to("usr/bin")
    world.write_policy(skeleton=str(skeleton))
    world.launched("alice")
    root = f"{world.run}/launch/alice/root"
    for name in ("bin", "etc/passwd", "etc/os-release", "etc/machine-id", "home/agent", "usr"):
        assert f"{root}/{name}" in world.record()["seen"]
    assert sorted(os.listdir(skeleton / "etc")) == ["passwd"]


def test_a_root_too_small_for_the_skeleton_is_refused(world: World, tmp_path: Path) -> None:
    skeleton = tmp_path / "skeleton"
    skeleton.mkdir()
    (skeleton / "big").write_bytes(bytes(2**21))
    world.write_policy(skeleton=str(skeleton))
    assert world.call(LAUNCH, "alice").returncode == Exit.ROOT


NAMES = ["", "Alice", "a_b", "-rf", "a/b", "../a", "a\n", ".", "all", "operator", "a" * 21]
NAMES += ["é", "alice.service", "%n", "h@x", "a-", ".host", "alice bob"]


@pytest.mark.parametrize("arguments", [[], ["alice", "bob"], *([name] for name in NAMES)])
def test_only_a_name_is_taken(world: World, arguments: list[str]) -> None:
    done = world.call(LAUNCH, *arguments)
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("<3>launcher: ")
    assert done.stderr.count("\n") == 1
    assert os.listdir(world.state / "agents") == []


@pytest.mark.parametrize("invocation", ["", "x" * 32, "../../etc", INVOCATION + "\n"])
def test_it_must_be_started_by_the_unit(world: World, invocation: str) -> None:
    environment = world.environment(INVOCATION_ID=invocation)
    assert world.call(LAUNCH, "alice", env=environment).returncode == Exit.USAGE


def test_others_than_root_are_told(world: World) -> None:
    code = "from hyperhive.nspawn.launcher import Launcher as L; raise SystemExit(L().main(['a']))"
    argv = ["setpriv", "--reuid=65534", sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == Exit.USAGE
    assert "only root" in done.stderr


def test_missing_programs_and_refused_limits_have_their_own_status(world: World) -> None:
    world.stand_in("systemctl", status=1)
    assert world.call(LAUNCH, "alice").returncode == Exit.LIMITS
    (world.programs / "systemd-nspawn").unlink()
    assert world.call(LAUNCH, "alice").returncode == Exit.PROGRAM
    assert not (world.run / "launch/alice.json").exists()


def test_two_launches_at_once_have_ranges_apart(world: World) -> None:
    names = [f"a{number}" for number in range(6)]
    for name in names:
        world.add(name)
    running = [
        subprocess.Popen(world.command(LAUNCH, name), env=world.environment())
        for name in [*names, *names]  # and each of them twice
    ]
    assert [process.wait(60) for process in running] == [0] * 12
    files = [world.run / f"launch/{name}.json" for name in names]
    bases = {json.loads(file.read_text())["uid_base"] for file in files}
    assert len(bases) == 6
    owners = {os.lstat(world.part(name, "home")).st_uid - 1000 for name in names}
    assert owners == bases
    assert {os.lstat(world.part(name, "state")).st_uid - 1000 for name in names} == bases


def test_what_was_recorded_before_is_replaced_whole(world: World) -> None:
    file = world.run / "launch/alice.json"
    file.write_text("half of a rec")
    (world.run / "launch/.alice.json").symlink_to(world.policy_file)
    before = world.policy_file.read_bytes()
    assert world.launched("alice")["invocation_id"] == INVOCATION
    assert world.policy_file.read_bytes() == before


def test_what_runs_as_root_needs_the_standard_library_and_the_protocol_alone() -> None:
    code = "import hyperhive.nspawn.launcher, hyperhive.nspawn.purge, sys; print(*sys.modules)"
    argv = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}]; {code}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    ours = r"hyperhive(\.nspawn(\.(launch|purge)\w*)?|\.protocol(\.\w+)?)?"
    foreign = {
        name
        for name in done.stdout.split()
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "__main__"}
        and not re.fullmatch(ours, name)
    }
    assert foreign == set()
