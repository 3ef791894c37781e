"""What proposals would change is told by the real Nix, and what they need is kept for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nested.host import NestedHost
from tests.host.building import Builder, changed, package

pytestmark = pytest.mark.nix

PLAIN = "{ }"
SIZE = 2**20


def tool(name: str, content: str = "") -> str:
    """A module with a package of one mebibyte."""
    return package(name, f"echo {content} >$out; head -c {SIZE} /dev/zero >>$out")


def has(nested: NestedHost, path: str) -> bool:
    return nested.path(path).exists()


def nothing(**known: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("size_before", "size_after", "download"))
    return {"built": True, "added": [], "removed": [], **empty, **known}


@pytest.fixture
def plain(build: Builder) -> str:
    """A system without packages, which is what runs."""
    bundle = build.build(PLAIN)
    build.call("keep", "alice", "running", bundle["path"])
    system: str = bundle["system"]
    return system


def test_a_package_before_it_is_built_and_then_and_without_it(
    nested: NestedHost, build: Builder, plain: str, say: Callable[[str], None]
) -> None:
    more = tool("ripgrep-14.1", "first")
    proposed = build.check(more, plain)
    say(f"checked in {build.seconds:.2f} s")
    small = proposed["closure"]["size_before"]
    assert 0 < small < 10_000
    # The bundle's own parts are none of the system.
    added = ["hyperhive-system", "ripgrep-14.1"]
    assert proposed["closure"] == nothing(built=False, added=added, size_before=small)
    assert not has(nested, proposed["system"])

    built = build.call("build", 4, "alice", proposed["drv"])
    assert built["system"] == proposed["system"]
    told = build.check(more, plain)["closure"]
    large = told["size_after"]
    assert SIZE < large - small < SIZE + 1_000
    assert told == nothing(added=["ripgrep-14.1"], size_before=small, size_after=large)

    told = build.check(PLAIN, built["system"])["closure"]
    assert told == nothing(removed=["ripgrep-14.1"], size_before=large, size_after=small)


def test_of_settings_alone_no_system_is_changed(build: Builder, plain: str) -> None:
    told = build.check('{ hyperhive.model = "opus"; }', plain)
    assert told["system"] == plain
    size = told["closure"]["size_after"]
    assert told["closure"] == nothing(size_before=size, size_after=size)


def test_a_first_one_and_one_in_place_of_what_is_gone(build: Builder, plain: str) -> None:
    gone = plain[: len("/nix/store/")] + "0" * 32 + "-system"
    for running in (None, gone):
        told = build.check(PLAIN, running)["closure"]
        assert told == nothing(added=["hyperhive-system"], size_after=told["size_after"])
        assert told["size_after"] > 0
    told = build.check(tool("never-built"), gone)["closure"]
    assert told == nothing(built=False, added=["hyperhive-system", "never-built"])


def test_what_is_warned_of_is_told(build: Builder, plain: str) -> None:
    module = 'builtins.trace "warning: the tool is old" { hyperhive.model = "opus"; }'
    assert build.check(module, plain)["warnings"] == ["the tool is old"]
    assert build.check(PLAIN, plain)["warnings"] == []


def test_what_cannot_be_built_offline_is_foreseen(build: Builder, plain: str) -> None:
    known = f'outputHash = "{"0" * 64}"; outputHashAlgo = "sha256"; outputHashMode = "flat";'
    of = 'builder = "builtin:fetchurl"; system = "builtin"; name = "x"; url = "http://127.0.0.1:9/x";'
    found = build.check(
        f"{{ environment.systemPackages = [ (derivation {{ {of} {known} }}) ]; }}", plain
    )
    (warning,) = found["warnings"]
    assert warning.startswith(
        "http://127.0.0.1:9/x would have to be fetched, and builds are offline"
    )
    assert found["closure"]["added"] == ["hyperhive-system", "x"]


def test_many_packages_are_told_in_part(build: Builder, plain: str) -> None:
    one = (
        'derivation { name = "many-${toString n}"; system = "x86_64-linux"; builder = "/bin/sh"; }'
    )
    module = f"{{ environment.systemPackages = builtins.genList (n: {one}) 250; }}"
    added = build.check(module, plain)["closure"]["added"]
    assert len(added) == 201
    assert added[0] == "hyperhive-system"
    assert added[-1] == "… and 51 more"


def test_where_nix_does_not_tell_the_proposal_is_none_the_worse(
    nested: NestedHost, build: Builder, plain: str
) -> None:
    """`nix-store`, which tells, is not there; `nix`, which evaluates, is."""
    programs = "/opt/hyperhive/programs"
    nested.run(["mkdir", "-p", programs])
    nested.run(["ln", "-sf", "/usr/bin/nix", programs])
    with changed(nested, "hyperhive-eval@.service", f"Environment=PATH={programs}\n"):
        found = build.check(tool("untold"), plain)
    assert found["closure"] is None
    assert found["drv"].endswith("-alice-bundle.drv")


def test_a_proposal_outlives_deploys_and_collections_until_it_is_dropped(
    nested: NestedHost, build: Builder, plain: str
) -> None:
    drv = build.check(tool("waits-1.0", "unseen"), plain)["drv"]
    other = build.build('{ hyperhive.model = "haiku"; }')  # a deploy meanwhile, to its end
    build.call("keep", "alice", "running", other["path"])
    build.call("release", "alice", "pending")
    nested.run(["nix-store", "--gc"])
    assert build.call("kept", "alice", "proposed") == drv
    assert has(nested, drv)
    built = build.call("build", 4, "alice", drv)  # with all that it needs
    assert build.check(PLAIN, built["system"])["closure"]["removed"] == ["waits-1.0"]
    build.call("release", "alice", "pending")  # Nix keeps what made it, too
    nested.run(["nix-store", "--gc"])
    assert not has(nested, drv)  # the agent's next check was of another

    drv = build.check(tool("waits-2.0"), plain)["drv"]
    nested.run(["nix-store", "--gc"])
    assert has(nested, drv)
    build.call("release", "alice", "proposed")
    nested.run(["nix-store", "--gc"])
    assert not has(nested, drv)


def test_it_is_checked_while_a_deploy_evaluates(build: Builder) -> None:
    first, second = tool("proposed-tool"), tool("deployed-tool")
    proposed, deployed = (
        build.call("commit", "alice", {"agent.nix": module}) for module in (first, second)
    )
    found = build.call("both", "alice", proposed, deployed)
    for role in ("proposed", "pending"):
        assert build.call("kept", "alice", role) == found[role]["drv"]
    assert found["proposed"]["drv"] != found["pending"]["drv"]
    assert found["proposed"]["drv"] == build.check(first, None)["drv"]
