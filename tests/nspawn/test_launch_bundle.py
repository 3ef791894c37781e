"""Bundles as a service that was taken over would set them."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.nspawn.launch_bundle import read_bundle
from hyperhive.nspawn.launch_policy import read_policy
from hyperhive.nspawn.launch_refusal import Exit, Refused
from tests.nspawn.launch_world import LAUNCH, SERVICE_UID, World

pytestmark = pytest.mark.root
Change = Callable[[World, Path], object]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "host")


def refusal(world: World) -> tuple[Exit, str]:
    with pytest.raises(Refused) as refused:
        read_bundle(read_policy(str(world.policy_file)), "alice")
    return refused.value.status, str(refused.value)


def point(target: str) -> Change:
    def change(world: World, bundle: Path) -> None:
        world.link("alice").unlink()
        world.link("alice").symlink_to(target.format(store=world.store, bundle=bundle))

    return change


def test_what_is_read(world: World) -> None:
    settings = world.add("bob", {"model": "small", "limits": {"tasksMax": 100}})
    bundle = read_bundle(read_policy(str(world.policy_file)), "bob")
    assert bundle.path == str(settings)
    assert bundle.init == f"{settings}/system/init"
    assert bundle.settings.limits.tasks_max == 100


def test_a_store_that_builders_may_add_to(world: World) -> None:
    """As Nix has it: they cannot touch what is not theirs, and what is theirs is refused."""
    world.store.chmod(0o1775)
    assert read_bundle(read_policy(str(world.policy_file)), "alice").path
    bundle = world.store / "bundle-alice"
    os.chown(bundle, SERVICE_UID, -1)
    assert refusal(world)[0] == Exit.BUNDLE_UNSAFE
    os.chown(bundle, 0, -1)
    world.store.chmod(0o775)
    assert refusal(world)[0] == Exit.BUNDLE_UNSAFE


@pytest.mark.parametrize(
    "target",
    [
        "/etc",
        "{store}",
        "{store}/",
        "{store}-other/bundle",
        "{store}/../store/bundle-alice",
        "{store}/./bundle-alice",
        "{store}//bundle-alice",
        "{bundle}/",
        "bundle-alice",
        "../../../store/bundle-alice",
        "{bundle}\n",
        "{bundle}:x",
        "{bundle} ",
        "{store}/é",
        "/" + "a" * 3000,
    ],
)
def test_only_a_plain_path_below_a_root_is_a_bundle(world: World, target: str) -> None:
    point(target)(world, world.store / "bundle-alice")
    status, message = refusal(world)
    assert status == Exit.BUNDLE_OUTSIDE
    assert len(message) < 500


def unlink(world: World, bundle: Path) -> None:
    world.link("alice").unlink()


def a_directory_in_place_of_the_link(world: World, bundle: Path) -> None:
    world.link("alice").unlink()
    world.link("alice").mkdir()


def bundles_is_a_link(world: World, bundle: Path) -> None:
    bundles = world.link("alice").parent
    bundles.rename(bundles.with_name("moved"))
    bundles.symlink_to("moved")


def service_is_a_link(world: World, bundle: Path) -> None:
    service = world.link("alice").parent.parent
    service.rename(service.with_name("moved"))
    service.symlink_to("moved")


def a_link_within_the_store(world: World, bundle: Path) -> None:
    (world.store / "other").symlink_to(bundle)
    point("{store}/other")(world, bundle)


def a_link_in_the_middle(world: World, bundle: Path) -> None:
    (world.store / "other").symlink_to(bundle)
    (bundle / "inner").mkdir()
    point("{store}/other/inner")(world, bundle)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (unlink, Exit.BUNDLE_MISSING),
        (point("{store}/gone"), Exit.BUNDLE_MISSING),
        (point("{bundle}/agent.json"), Exit.BUNDLE_UNSAFE),
        (a_directory_in_place_of_the_link, Exit.BUNDLE_UNSAFE),
        (bundles_is_a_link, Exit.BUNDLE_UNSAFE),
        (service_is_a_link, Exit.BUNDLE_UNSAFE),
        (a_link_within_the_store, Exit.BUNDLE_UNSAFE),
        (a_link_in_the_middle, Exit.BUNDLE_UNSAFE),
        (lambda w, b: os.chown(b, SERVICE_UID, -1), Exit.BUNDLE_UNSAFE),
        (lambda w, b: b.chmod(0o775), Exit.BUNDLE_UNSAFE),
        (lambda w, b: b.chmod(0o757), Exit.BUNDLE_UNSAFE),
        (lambda w, b: b.chmod(0o1777), Exit.BUNDLE_UNSAFE),
        (lambda w, b: os.chown(w.store, SERVICE_UID, -1), Exit.BUNDLE_UNSAFE),
        (lambda w, b: w.store.chmod(0o777), Exit.BUNDLE_UNSAFE),
        (lambda w, b: w.link("alice").parent.chmod(0o777), Exit.BUNDLE_UNSAFE),
        (lambda w, b: os.chown(w.link("alice").parent, 1, -1), Exit.BUNDLE_UNSAFE),
        (lambda w, b: os.chown(w.state, SERVICE_UID, -1), Exit.DIRECTORIES),
    ],
)
def test_a_bundle_in_which_others_had_a_hand_is_refused(
    world: World, change: Change, status: Exit
) -> None:
    change(world, world.store / "bundle-alice")
    assert refusal(world)[0] == status


def test_a_store_to_which_builders_add_is_as_good(world: World) -> None:
    world.store.chmod(0o1775)
    assert read_bundle(read_policy(str(world.policy_file)), "alice").path


def replaced(make: Callable[[Path], object]) -> Change:
    def change(world: World, bundle: Path) -> None:
        (bundle / "agent.json").unlink()
        make(bundle / "agent.json")

    return change


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def text(content: str | bytes) -> Change:
    data = content.encode() if isinstance(content, str) else content
    return replaced(lambda path: path.write_bytes(data))


def link_to_good_settings(path: Path) -> None:
    path.with_name("good.json").write_text("{}")
    path.symlink_to("good.json")


def limits(value: object) -> Change:
    return text(json.dumps({"limits": {"memoryMax": value}}))


@pytest.mark.parametrize(
    "change",
    [
        replaced(lambda path: None),
        replaced(Path.mkdir),
        replaced(os.mkfifo),
        replaced(a_socket),
        replaced(link_to_good_settings),
        replaced(lambda path: path.symlink_to("/dev/zero")),
        lambda w, b: os.chown(b / "agent.json", SERVICE_UID, -1),
        lambda w, b: (b / "agent.json").chmod(0o666),
        lambda w, b: os.truncate(b / "agent.json", 2**40),
        text(json.dumps({"prompt": "x" * 70_000})),
        text(b" " * 65_535 + b"{}"),
        text(""),
        text("null"),
        text("[]"),
        text("{"),
        text(b"\xff\xfe{}"),
        text('{"model": "a", "model": "b"}'),
        text('{"context": {"compactAt": NaN}}'),
        text("[" * 60_000),
        text('{"a":' * 9_000 + "1" + "}" * 9_000),
        text('{"capabilities": ["CAP_SYS_ADMIN"]}'),
        text('{"binds": [{"source": "/", "target": "/host"}]}'),
        text('{"limits": {"swapMax": 1}}'),
        limits(2.0**30),
        limits(True),
        limits(-1),
        limits(0),
        limits("1G"),
        limits("infinity\nExecStart=/bin/sh"),
        limits(10**30),
        limits([2**30]),
    ],
)
def test_settings_that_are_not_acceptable(world: World, change: Change) -> None:
    change(world, world.store / "bundle-alice")
    assert refusal(world)[0] == Exit.SETTINGS


def system_link(target: str) -> Change:
    def change(world: World, bundle: Path) -> None:
        (bundle / "system").rename(world.store / "system")
        (bundle / "system").symlink_to(target.format(store=world.store))

    return change


def init_link(target: str) -> Change:
    def change(world: World, bundle: Path) -> None:
        (bundle / "system/init").unlink()
        (bundle / "system/init").symlink_to(target)

    return change


def own_link_of_another(world: World, bundle: Path) -> None:
    system_link("{store}/system")(world, bundle)
    os.chown(bundle / "system", SERVICE_UID, -1, follow_symlinks=False)


def init_as_directory(world: World, bundle: Path) -> None:
    (bundle / "system/init").unlink()
    (bundle / "system/init").mkdir()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (system_link("/usr"), Exit.BUNDLE_OUTSIDE),
        (system_link("{store}/../store/system"), Exit.BUNDLE_OUTSIDE),
        (system_link("../system"), Exit.BUNDLE_OUTSIDE),
        (system_link("{store}/gone"), Exit.BUNDLE_MISSING),
        (own_link_of_another, Exit.SYSTEM),
        (lambda w, b: (b / "system").rename(b / "other"), Exit.SYSTEM),
        (lambda w, b: (b / "system").chmod(0o777), Exit.SYSTEM),
        (lambda w, b: (b / "system/init").unlink(), Exit.SYSTEM),
        (lambda w, b: (b / "system/init").chmod(0o644), Exit.SYSTEM),
        (lambda w, b: (b / "system/init").chmod(0o777), Exit.SYSTEM),
        (lambda w, b: os.chown(b / "system/init", SERVICE_UID, -1), Exit.SYSTEM),
        (init_as_directory, Exit.SYSTEM),
        (init_link("/etc/init"), Exit.SYSTEM),
        (init_link("../../init"), Exit.SYSTEM),
        (init_link("/usr/../etc/init"), Exit.SYSTEM),
        (init_link("--settings=yes"), Exit.SYSTEM),
    ],
)
def test_a_system_that_cannot_be_booted(world: World, change: Change, status: Exit) -> None:
    change(world, world.store / "bundle-alice")
    assert refusal(world)[0] == status


def test_the_system_may_be_a_link_and_its_init_another(world: World) -> None:
    bundle = world.store / "bundle-alice"
    system_link("{store}/system")(world, bundle)
    policy = read_policy(str(world.policy_file))
    assert read_bundle(policy, "alice").init == f"{world.store}/system/init"
    (world.store / "system/init").unlink()
    (world.store / "system/init").symlink_to("/usr/lib/systemd/systemd")
    assert read_bundle(policy, "alice").init == "/usr/lib/systemd/systemd"


def test_an_init_that_the_container_would_not_see_is_refused(world: World) -> None:
    world.write_policy(bindReadOnly=["/usr"])
    assert refusal(world)[0] == Exit.SYSTEM


def test_a_refusal_is_one_line_and_nothing_is_made(world: World) -> None:
    point("/etc\n<0>injected")(world, world.store)
    done = world.call(LAUNCH, "alice")
    assert done.returncode == Exit.BUNDLE_OUTSIDE
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("<3>launcher: the bundle '/etc\\n<0>injected'")
    assert os.listdir(world.state / "agents") == []
    assert os.listdir(world.run / "launch") == []
