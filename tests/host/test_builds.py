"""Configurations become bundles by the real Nix, each step in a unit of its own."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nested.host import NestedHost
from tests.host.building import (
    BUILDER,
    STATE,
    Builder,
    builder,
    changed,
    package,
    processes,
)
from tests.support.wait import wait_until

pytestmark = pytest.mark.nix

GOOD = '{ hyperhive.model = "opus"; hyperhive.allowedBash = [ "git *" ]; }'


def test_a_module_becomes_a_bundle(
    nested: NestedHost, build: Builder, say: Callable[[str], None]
) -> None:
    found = build.evaluate(GOOD)
    evaluated = build.seconds
    bundle = build.call("build", 2, "alice", found["drv"])
    say(f"evaluated in {evaluated:.2f} s, built in {build.seconds:.2f} s")
    assert bundle["settings"] == found["settings"]
    assert bundle["settings"]["allowedBash"] == ["git *"]
    assert bundle["system"] == found["system"]
    written = json.loads(nested.path(f"{bundle['path']}/agent.json").read_text())
    assert written == {"model": "opus", "allowedBash": ["git *"]}
    link = ["readlink", f"{bundle['system']}/init"]
    assert nested.run(link).stdout == "/usr/lib/systemd/systemd\n"
    stat = ["stat", "--format=%U %a", bundle["path"], f"{bundle['path']}/agent.json"]
    assert nested.run(stat).stdout == "root 555\nroot 444\n"


def test_a_change_of_settings_leaves_the_system_as_it_is(build: Builder) -> None:
    one = build.build(GOOD)
    other = build.build(GOOD.replace("opus", "haiku"))
    assert one["path"] != other["path"]
    assert one["system"] == other["system"]
    more = build.build(package("p", "echo >$out"))
    assert more["system"] != one["system"]


def test_what_is_declared_holds_until_a_commit_says_otherwise(build: Builder) -> None:
    declared = {"declared.json": json.dumps({"model": "declared", "prompt": "declared"})}
    found = build.evaluate('{ hyperhive.model = "committed"; }', **declared)
    assert found["settings"]["model"] == "committed"
    assert found["settings"]["prompt"] == "declared"


def test_modules_of_several_files(build: Builder) -> None:
    main = '{ lib, ... }: { imports = [ ./more/tools.nix ]; hyperhive.model = lib.mkForce "a"; }'
    options = 'model = "b"; allowedTools = [ "Read" ];'
    tools = f"{{ config, lib, pkgs, ... }}: {{ config.hyperhive = {{ {options} }}; }}"
    found = build.evaluate(main, **{"more/tools.nix": tools})
    assert found["settings"]["model"] == "a"
    assert found["settings"]["allowedTools"] == ["Read"]


def test_the_log_comes_while_it_is_written(build: Builder) -> None:
    drv = build.evaluate(package("slow", "echo first; sleep 2; echo second; echo >$out"))["drv"]
    build.begin("build", 2, "alice", drv)
    while build.read()["line"] != "first":
        pass
    assert processes(build.host, BUILDER)
    while "result" not in (told := build.read()):
        pass
    assert told["seconds"] >= 2


def test_who_cancels_ends_the_builder(nested: NestedHost, build: Builder) -> None:
    drv = build.evaluate(package("cancelled", "sleep 1000"))["drv"]
    build.call("begin_build", 2, "alice", drv)
    wait_until(lambda: processes(nested, BUILDER), 20.0, "the builder")
    build.call("cancel")


def test_a_service_that_was_killed_leaves_nothing_for_ever(nested: NestedHost) -> None:
    with builder(nested) as first:
        drv = first.evaluate(package("orphan", "sleep 1000"))["drv"]
        first.call("begin_build", 7, "alice", drv)
        wait_until(lambda: processes(nested, BUILDER), 20.0, "the builder")
        first.kill()
    assert nested.run(["ls", f"{STATE}/jobs"]).stdout == "7\n"
    with builder(nested) as second:
        second.call("adopt")
        assert second.call("left") == []


def test_an_agent_is_started_from_a_bundle_in_the_store(nested: NestedHost, build: Builder) -> None:
    """Whose directory is writable for builders, though not what is in it."""
    bundle = build.build(GOOD)["path"]
    bundles, sockets = f"{STATE}/service/bundles", "/run/hyperhive/service/agents/alice"
    owned = ["install", "-d", "-o", "hyperhive", "-g", "hyperhive"]
    nested.run([*owned, "-m", "0700", bundles])
    nested.run([*owned, "-m", "0711", sockets])
    nested.run(["ln", "-sfn", bundle, f"{bundles}/alice"])
    try:
        nested.run(["systemctl", "start", "hyperhive-agent@alice"])
        launch = json.loads(nested.path("/run/hyperhive/launch/alice.json").read_text())
        assert launch["bundle"] == bundle
        nested.run(["systemctl", "stop", "hyperhive-agent@alice"])
    finally:
        nested.run(["systemctl", "start", "hyperhive-purge@alice"])
        nested.run(["rm", "-rf", f"{bundles}/alice", sockets])


def test_a_daemon_that_dies_is_said_to(nested: NestedHost, build: Builder) -> None:
    drv = build.evaluate(package("bereft", "echo begun; sleep 1000"))["drv"]
    build.begin("build", 2, "alice", drv)
    while build.read()["line"] != "begun":
        pass
    nested.run(["systemctl", "kill", "--signal=KILL", "nix-daemon.service"])
    while "failed" not in (told := build.read()):
        pass
    assert told["failed"] == "daemon"
    assert build.build(GOOD)


def test_garbage_collection_takes_what_nobody_keeps(nested: NestedHost, build: Builder) -> None:
    drv = build.evaluate(GOOD)["drv"]
    nested.run(["nix-store", "--gc"])
    kept = build.call("build", 2, "alice", drv)["path"]
    build.call("keep", "alice", "running", kept)
    other = build.build(GOOD.replace("opus", "other"))["path"]
    nested.run(["nix-store", "--gc"])
    assert all(nested.path(f"{path}/agent.json").exists() for path in (kept, other))
    build.call("release", "alice")
    nested.run(["nix-store", "--gc"])
    assert not any(nested.path(path).exists() for path in (kept, other))


def test_its_user_sees_nothing_of_the_service(nested: NestedHost) -> None:
    """Neither in the unit, where evaluations run, nor outside, where builders do."""
    look = (
        f"id -u; ls -A {STATE} {STATE}/* /run/hyperhive /etc /proc/1; cut -d: -f1 /proc/net/dev; "
        f"touch {STATE}/jobs/9/in/x /usr/x {STATE}/x; env"
    )
    job = f"{STATE}/jobs/9"
    nested.run(["install", "-d", "-m", "0777", job, f"{job}/in", f"{job}/out"])
    start = f"ExecStart=\nExecStart=-/bin/sh -c '({look}) >{STATE}/jobs/%i/out/seen 2>&1'\n"
    with changed(nested, "hyperhive-eval@.service", start):
        nested.run(["systemctl", "start", "hyperhive-eval@9"])
    seen = nested.path(f"{job}/out/seen").read_text().splitlines()
    nested.run(["rm", "-rf", job])
    assert seen[0] == nested.run(["id", "-u", "hyperhive-build"]).stdout.strip()
    assert "jobs" in seen
    assert [line for line in seen if line.startswith("  ")] == ["    lo"]
    unseen = {
        "service",
        "agents",
        "launch",
        "config.yaml",
        "hyperhive",
        "passwd",
        "environ",
    }
    assert unseen & set(seen) == set()
    assert sum("Read-only file system" in line for line in seen) == 3


@pytest.mark.parametrize("user", ["hyperhive-build", BUILDER])
@pytest.mark.parametrize("directory", ["service", "jobs", "agents"])
def test_others_directories_are_closed(nested: NestedHost, user: str, directory: str) -> None:
    listed = nested.run(["ls", f"{STATE}/{directory}"], user=user, check=False)
    assert "Permission denied" in listed.stderr
