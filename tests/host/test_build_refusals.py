"""Configurations that are wrong, and evaluations and builds that would not end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nested.host import NestedHost
from tests.host.building import STATE, Builder, Failed, all_over, builder, changed, package
from tests.support.net import free_port

pytestmark = pytest.mark.nix

GOOD = '{ hyperhive.model = "opus"; }'
NOTHING = "sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo="
"""Of an empty directory."""


@pytest.fixture
def short(nested: NestedHost) -> Iterator[Builder]:
    with all_over(nested), builder(nested, eval_seconds=4, build_seconds=4) as made:
        yield made


def reason(build: Builder, module: str) -> str:
    with pytest.raises(Failed) as caught:
        build.build(module)
    return caught.value.reason


WRONG = {
    "{ hyperhive.modle = 1; }": "agent.nix: `hyperhive.modle` is not known; known are allowedBash",
    "{ hyperhive.model = 1; }": "agent.nix: `hyperhive.model` must be a string, or null",
    "{ hyperhive.limits.memoryMax = 1; }": "`hyperhive.limits.memoryMax` must be a whole",
    '{ hyperhive.allowedBash = [ "git*" ]; }': "hyperhive.allowedBash[0]: `git*`: may have",
    "{ services.nginx.enable = true; }": "agent.nix: `services` is not known here: without nixpkgs",
    "{ pkgs, ... }: { environment.systemPackages = [ pkgs.git ]; }": "this host has no nixpkgs",
    "{ hyperhive.model = ; }": "syntax error, unexpected ';'",
    "{ imports = [ ./none.nix ]; }": "none.nix': No such file or directory",
    '{ hyperhive.prompt = builtins.readFile "/etc/shadow"; }': "'/etc/shadow' is forbidden",
    "{ imports = [ /etc/shadow ]; }": "'/etc/shadow' is forbidden",
    '{ hyperhive.prompt = builtins.readFile (builtins.fetchurl "http://127.0.0.1:9/x"); }': "",
    '{ hyperhive.prompt = builtins.readFile (builtins.fetchurl { url = "http://127.0.0.1:9/x"; '
    f'sha256 = "{"0" * 52}"; }}); }}': "'http://127.0.0.1:9/x' is forbidden in restricted mode",
    '{ hyperhive.prompt = builtins.getEnv "HOME" + (builtins.exec [ "id" ]); }': "exec",
    '{ hyperhive.prompt = import (derivation { name = "a"; system = "x86_64-linux"; '
    'builder = "/bin/sh"; args = [ "-c" "echo 1 >$out" ]; }); }': "'allow-import-from-derivation'",
}


@pytest.mark.parametrize("module", WRONG)
def test_what_is_wrong_is_said(build: Builder, module: str) -> None:
    with pytest.raises(Failed) as caught:
        build.evaluate(module)
    assert caught.value.reason == "evaluation"
    assert WRONG[module] in caught.value.text
    assert "-source" not in caught.value.text


def test_where_it_is_wrong_is_said(build: Builder) -> None:
    with pytest.raises(Failed, match=r"at lib/b\.nix:2:3"):
        build.evaluate("{ imports = [ ./lib/b.nix ]; }", **{"lib/b.nix": "{\n  ] }"})


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/machine-id",
        f"{STATE}/service",
        f"{STATE}/jobs/2",
        "/run/dbus",
        "/proc/1",
    ],
)
def test_what_could_be_copied_by_its_hash_is_not_there(build: Builder, path: str) -> None:
    """Nix asks nobody where the hash is given, and tells the right one after a wrong one."""
    tree = (
        f'builtins.fetchTree {{ type = "path"; path = "{path}"; narHash = "sha256-{"A" * 43}="; }}'
    )
    with pytest.raises(Failed) as caught:
        build.evaluate(f"{{ hyperhive.prompt = ({tree}).outPath; }}")
    gone = ("No such file or directory", "Permission denied", NOTHING)
    assert any(text in caught.value.text for text in gone), caught.value.text


@pytest.mark.parametrize("part", ["in", "out"])
def test_a_link_in_place_of_its_directory(nested: NestedHost, build: Builder, part: str) -> None:
    """systemd follows it as root, also to what the directory above keeps private."""
    secret, job, unit = "/root/private", f"{STATE}/jobs/77", "hyperhive-eval@77.service"
    nested.run(["install", "-d", "-m", "1777", secret])
    nested.run(["install", "-d", "-o", "hyperhive", f"{job}/in", f"{job}/out"])
    nested.run(["sh", "-c", f"rmdir {job}/{part} && ln -s {secret} {job}/{part}"])
    try:
        assert nested.run(["systemctl", "start", unit], check=False).returncode != 0
        shown = nested.run(["systemctl", "show", "-p", "ExecMainStatus", "--value", unit])
        assert shown.stdout == "77\n"
        assert nested.run(["ls", "-A", secret]).stdout == ""
    finally:
        nested.run(["rm", "-r", job, secret])
        nested.run(["systemctl", "reset-failed", unit])


def test_a_flake_cannot_be_brought_along(build: Builder) -> None:
    """Only the host's own counts, settings of others are not asked for."""
    evil = '{ nixConfig.post-build-hook = "/bin/false"; outputs = _: throw "evil"; }'
    assert build.evaluate(GOOD, **{"flake.nix": evil})["settings"]["model"] == "opus"


# --- what would not end, or not be bearable ---


@pytest.mark.parametrize(
    "module",
    [
        "let a = b; b = a; in a",
        "{ hyperhive.prompt = let f = x: f (x + 1); in f 0; }",
        "{ imports = [ ./agent.nix ]; }",
    ],
)
def test_endless_recursion(build: Builder, module: str) -> None:
    assert reason(build, module) == "recursion"


def test_an_evaluation_without_end(short: Builder) -> None:
    busy = (
        "builtins.foldl' (a: b: builtins.foldl' (c: d: c + d) 0 (builtins.genList (x: x) 10000)) 0"
    )
    module = f"{{ hyperhive.prompt = toString ({busy} (builtins.genList (x: x) 1000000)); }}"
    assert reason(short, module) == "timeout"
    assert 4 <= short.seconds < 30


def test_an_evaluation_that_wants_the_whole_memory(build: Builder) -> None:
    """By the address space, which is limited also where cgroups count no memory."""
    module = (
        "{ hyperhive.prompt = toString (builtins.length (builtins.genList (x: x) 2000000000)); }"
    )
    assert reason(build, module) == "memory"


def test_an_evaluation_that_writes_without_end(build: Builder) -> None:
    traced = "builtins.foldl' (a: b: builtins.trace (toString (builtins.genList (x: x) 1000)) b) 0"
    module = f"{{ hyperhive.prompt = toString ({traced} (builtins.genList (x: x) 1000000)); }}"
    assert reason(build, module) == "output"


def test_a_build_that_fails(build: Builder) -> None:
    with pytest.raises(Failed) as caught:
        build.build(package("fails", "echo this is why; exit 3"))
    assert caught.value.reason == "build"
    assert "failed with exit code 3" in caught.value.text
    assert "this is why" in caught.value.text
    assert "this is why" in build.lines


def test_a_build_that_would_fetch(build: Builder) -> None:
    """What is known by its hash may reach out of the sandbox, where there is one."""
    url = f"http://127.0.0.1:{free_port()}/x"
    known = f'outputHash = "{"0" * 64}"; outputHashAlgo = "sha256"; outputHashMode = "flat";'
    fetch = f'builder = "builtin:fetchurl"; system = "builtin"; name = "x"; url = "{url}"; {known}'
    with pytest.raises(Failed, match=f"{url} would have to be fetched, and builds are offline"):
        build.build(f"{{ environment.systemPackages = [ (derivation {{ {fetch} }}) ]; }}")
    assert build.lines == []


def test_a_build_that_hangs(short: Builder) -> None:
    with pytest.raises(Failed, match="took longer than 4 s") as caught:
        short.build(package("hangs", "echo begun; sleep 1000"))
    assert caught.value.reason == "timeout"
    assert "begun" in caught.value.text
    assert 4 <= caught.value.seconds < 15


def test_a_build_that_writes_a_gigabyte(build: Builder) -> None:
    with pytest.raises(Failed) as caught:
        build.build(package("writes", "yes 'a line of the log of a build' | head -c 1000000000"))
    assert caught.value.reason == "output"
    assert len(caught.value.text) < 20_000
    assert sum(len(line) + 1 for line in build.lines) < 9 * 2**20


def test_a_build_that_writes_elsewhere(nested: NestedHost, build: Builder) -> None:
    ours = [STATE, f"{STATE}/service", f"{STATE}/jobs", "/run/hyperhive", "/run/hyperhive/launch"]
    places = [*ours, "/nix/var/nix/gcroots/hyperhive", "/etc", "/usr"]
    write = f"for place in {' '.join(places)}; do echo >$place/evil; done; echo >$out"
    build.build(package("elsewhere", write))
    assert sum("Permission denied" in line for line in build.lines) == len(places)


def test_a_limit_of_the_unit_itself(nested: NestedHost, build: Builder) -> None:
    """However long the configuration lets it run."""
    with changed(nested, "hyperhive-build@.service", "TimeoutStartSec=2\n"):
        assert reason(build, package("longer", "sleep 1000")) == "stopped"


def test_no_daemon(nested: NestedHost, build: Builder) -> None:
    nested.run(["systemctl", "stop", "nix-daemon.socket", "nix-daemon.service"])
    try:
        assert reason(build, GOOD) == "daemon"
    finally:
        nested.run(["systemctl", "start", "nix-daemon.socket"])
    build.build(GOOD)
