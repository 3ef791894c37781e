"""The host's policy: whose it must be, and what it may say."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperhive.nspawn import launch_policy
from hyperhive.nspawn.launch_policy import read_policy
from hyperhive.nspawn.launch_refusal import Exit, Refused
from tests.nspawn.launch_world import LAUNCH, SERVICE_UID, World

pytestmark = pytest.mark.root


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "host")


def problem(world: World) -> str:
    with pytest.raises(Refused) as refused:
        read_policy(str(world.policy_file))
    assert refused.value.status == Exit.POLICY
    return str(refused.value)


def test_what_may_be_left_out(world: World) -> None:
    policy = read_policy(str(world.policy_file))
    assert policy.skeleton is None
    assert policy.ceilings.tasks_max == 1_024
    assert policy.of("anybody").binds == ()
    assert policy.of("anybody").ceilings == policy.ceilings


def test_an_agents_ceilings_stand_in_place_of_the_general_ones(world: World) -> None:
    world.write_policy(
        ceilings={"memoryMax": 2**30, "tasksMax": 500},
        agents={"bob": {"ceilings": {"memoryMax": 2**34}}},
    )
    ceilings = read_policy(str(world.policy_file)).of("bob").ceilings
    assert (ceilings.memory_max, ceilings.tasks_max, ceilings.cpu_quota) == (2**34, 500, 200)


def link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        link,
        replace_by_fifo,
        lambda path: link(path.parent),
        lambda path: path.chmod(0o664),
        lambda path: path.chmod(0o646),
        lambda path: os.chown(path, SERVICE_UID, -1),
        lambda path: path.parent.chmod(0o777),
        lambda path: os.chown(path.parent, SERVICE_UID, -1),
        lambda path: os.chown(path.parent.parent, SERVICE_UID, -1),
        lambda path: os.truncate(path, 2**30),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
    ],
)
def test_a_policy_in_which_others_had_a_hand(world: World, change: Callable[[Path], Any]) -> None:
    change(world.policy_file)
    assert str(world.policy_file.parent.parent) in problem(world)


def bind(**changed: object) -> dict[str, Any]:
    entry = {"source": "/srv", "target": "/srv", **changed}
    return {"agents": {"alice": {"binds": [entry]}}}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"stateDir": "var/lib"}, "stateDir"),
        ({"stateDir": "/var/../lib"}, "stateDir"),
        ({"runDir": "/run/hyper hive"}, "runDir"),
        ({"runDir": None}, "runDir"),
        ({"serviceUser": "-rf"}, "serviceUser"),
        ({"serviceUser": 0}, "serviceUser"),
        ({"bundleRoots": []}, "bundleRoots"),
        ({"bundleRoots": "/nix/store"}, "bundleRoots"),
        ({"bindReadOnly": ["/nix/store:/usr"]}, "bindReadOnly[0]"),
        ({"root": {"sizeMax": "1G"}}, "root.sizeMax"),
        ({"root": {"sizeMax": 1e9}}, "root.sizeMax"),
        ({"ceilings": {"memoryMax": True}}, "ceilings.memoryMax"),
        ({"ceilings": {"cpuQuota": -1}}, "ceilings.cpuQuota"),
        ({"agents": {"Alice": {}}}, "agents.Alice"),
        ({"agents": {"alice": {"networks": []}}}, "agents.alice.networks"),
        ({"agents": {"alice": {"capabilities": ["all"]}}}, "agents.alice.capabilities[0]"),
        ({"agents": {"alice": {"devices": ["/dev/../etc"]}}}, "agents.alice.devices[0]"),
        ({"agents": {"alice": {"devices": ["/dev"]}}}, "agents.alice.devices[0]"),
        (bind(target="/"), "agents.alice.binds[0].target"),
        (bind(target="/run"), "agents.alice.binds[0].target"),
        (bind(target="/run/hive"), "agents.alice.binds[0].target"),
        (bind(target="/home"), "agents.alice.binds[0].target"),
        (bind(target="/state/x"), "agents.alice.binds[0].target"),
        (bind(target="/proc/1"), "agents.alice.binds[0].target"),
        (bind(source="/srv:rw"), "agents.alice.binds[0].source"),
        (bind(writable="no"), "agents.alice.binds[0].writable"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_field_is_named(world: World, changed: dict[str, Any], field: str) -> None:
    world.write_policy(**changed)
    assert problem(world).startswith(f"{world.policy_file}: {field}: ")


@pytest.mark.parametrize("user", ["root", "nosuchuser"])
def test_the_service_is_a_user_and_not_root(world: World, user: str) -> None:
    world.write_policy(serviceUser=user)
    done = world.call(LAUNCH, "alice")
    assert done.returncode == Exit.POLICY
    assert user in done.stderr


def test_the_example_in_the_docstring_is_one(world: World) -> None:
    example = (launch_policy.__doc__ or "").split("\n\n")[1]
    text = re.sub(r"(?<=\S) {2,}[a-z].*", "", example)  # what explains it, at the end of lines
    world.policy_file.write_text(text)
    policy = read_policy(str(world.policy_file))
    assert policy.of("alice").devices == ("/dev/kvm",)
    assert policy.of("alice").ceilings.memory_max == 8 * 2**30
    assert policy.state_dir == "/var/lib/hyperhive"
