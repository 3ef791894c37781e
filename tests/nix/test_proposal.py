"""The host's flake with an agent's commit in it: evaluated pure and offline, then really built."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hyperhive.flakes.job_nix import command, environment
from hyperhive.protocol.builds import Request
from hyperhive.protocol.bundle import AgentSettings, parse_settings, settings_json
from tests.nix.agents import small_nixpkgs
from tests.nix.hosts import host
from tests.support.nix import ROOT, STUBS, NixError, library, run

pytestmark = pytest.mark.nixlib

LOCKED = ("--offline", "--no-update-lock-file", "--no-write-lock-file")


@pytest.fixture(scope="module")
def flake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As module.nix makes it, of a small nixpkgs."""
    directory = tmp_path_factory.mktemp("flake")
    nixpkgs = small_nixpkgs(directory / "nixpkgs")
    return build(
        f"import {ROOT}/nix/host-flake.nix {{"
        f" nixpkgs = {nixpkgs}; pkgs = import {STUBS}/pkgs.nix {{ inherit lib; }}; }}"
    )


def build(expression: str) -> Path:
    """What the expression is built to, and its derivation instantiated by hand."""
    text = f"let lib = import {library()}; in {expression}"
    derivation = run("nix-instantiate", "-E", text).strip().split("!")[0]
    return Path(run("nix-store", "--realise", derivation).strip())


def job(flake: Path, directory: Path, module: str, declared: object = None) -> Path:
    """A copy of the flake beside which the service has put an agent's commit."""
    shutil.copytree(flake, directory)
    directory.chmod(0o755)
    (directory / "host.json").write_text(json.dumps({"name": "alice"}))
    (directory / "agent").mkdir()
    if module:
        (directory / "agent/agent.nix").write_text(module)
    if declared is not None:
        (directory / "agent/declared.json").write_text(json.dumps(declared))
    return directory


def proposal(directory: Path) -> Any:
    return json.loads(run("nix", "eval", *LOCKED, "--json", f"path:{directory}#proposal"))


def test_inputs_are_pinned_to_the_store(flake: Path) -> None:
    lock = json.loads((flake / "flake.lock").read_text())
    for name in ("nixpkgs", "hyperhive"):
        locked = lock["nodes"][name]["locked"]
        assert locked["path"].startswith("/nix/store/")
        hashed = run("nix", "hash", "path", locked["path"]).strip()
        assert locked["narHash"] == hashed
    assert lock["nodes"]["root"]["inputs"] == {"hyperhive": "hyperhive", "nixpkgs": "nixpkgs"}


def test_agents_are_pinned_to_what_they_are_made_of_and_nothing_else(flake: Path) -> None:
    lock = json.loads((flake / "flake.lock").read_text())
    source = Path(lock["nodes"]["hyperhive"]["locked"]["path"])
    assert {path.name for path in source.iterdir()} == {
        *("LICENSE", "agent.nix", "hyperhive", "nix", "pyproject.toml"),
    }
    assert {path.name for path in (source / "hyperhive").iterdir()} == {
        *("__init__.py", "harness", "protocol"),
    }


def test_a_commit_is_evaluated_and_exactly_that_is_built(flake: Path, tmp_path: Path) -> None:
    module = '{ hyperhive.allowedBash = [ "git status" ]; }'
    found = proposal(job(flake, tmp_path / "job", module, {"model": "sonnet"}))
    assert found.keys() == {"drvPath", "settings", "system"}
    settings = parse_settings(found["settings"])
    assert (settings.model, settings.allowed_bash) == ("sonnet", ("git status",))
    bundle = Path(run("nix-store", "--realise", found["drvPath"]).strip())
    agent_json = bundle / "agent.json"
    # The launcher follows no link there.
    assert not agent_json.is_symlink()
    assert json.loads(agent_json.read_text()) == found["settings"]
    assert str((bundle / "system").readlink()) == found["system"]
    assert (bundle / "system/init").stat().st_mode & 0o111


def declared_host(directory: Path, wanted: str, module: str) -> Any:
    """`wanted` of a host on which alice is declared with that module."""
    alice = directory / "declared/alice.nix"
    alice.parent.mkdir()
    alice.write_text(module)
    nixpkgs = small_nixpkgs(directory / "small")
    more = f"{{ services.hyperhive.nix.nixpkgs = {nixpkgs};"
    more += f" services.hyperhive.agents.alice.module = {alice}; }}"
    return host({"agents": {"alice": {"model": "sonnet"}}}, wanted, more)


def test_the_host_has_built_what_the_service_will_ask_for(flake: Path, tmp_path: Path) -> None:
    """So that declared agents come up without a network."""
    module = '{ hyperhive.allowedBash = [ "git status" ]; }'
    settings = AgentSettings(model="sonnet")
    found = proposal(job(flake, tmp_path / "job", module, settings_json(settings)))
    prebuilt = declared_host(tmp_path, "prebuilt", module)
    assert found["system"] in prebuilt
    assert run("nix-store", "--query", "--outputs", found["drvPath"]).strip() in prebuilt


def test_the_rebuild_tells_what_is_wrong_with_a_declared_module(tmp_path: Path) -> None:
    with pytest.raises(NixError, match=r"hyperhive\.allowedBash: `git\*`: may have"):
        declared_host(tmp_path, "prebuilt", '{ hyperhive.allowedBash = [ "git*" ]; }')


def test_it_is_evaluated_as_a_job_evaluates(flake: Path, tmp_path: Path) -> None:
    """With nothing but the flake and its inputs to be read, and no network."""
    request = Request(verb="eval", agent="alice", seconds=60, offline=True)
    work = tmp_path / "7"
    directory = job(flake, work / "in/flake", "{ }")
    home = tmp_path / "home"
    home.mkdir()
    # No daemon of Nix need run here.
    given = {**environment(request, work, home), "NIX_REMOTE": ""}
    done = subprocess.run(
        command(request, work), env=given, check=True, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == proposal(directory)
    (directory / "agent/agent.nix").write_text(
        '{ hyperhive.prompt = builtins.readFile "/etc/hosts"; }'
    )
    denied = subprocess.run(
        command(request, work), env=given, check=False, capture_output=True, text=True, timeout=60
    )
    assert denied.returncode
    assert "forbidden" in denied.stderr


def test_people_build_the_same(flake: Path, tmp_path: Path) -> None:
    directory = job(flake, tmp_path / "job", "{ }")
    found = proposal(directory)
    shown = run("nix", "build", *LOCKED, "--no-link", "--json", f"path:{directory}#bundle")
    assert json.loads(shown)[0]["drvPath"] == found["drvPath"]


def test_a_change_of_settings_is_no_change_of_the_system(flake: Path, tmp_path: Path) -> None:
    one = proposal(job(flake, tmp_path / "one", "{ }"))
    two = proposal(job(flake, tmp_path / "two", '{ hyperhive.prompt = "x"; }'))
    assert one["system"] == two["system"]
    assert one["drvPath"] != two["drvPath"]


def test_a_module_may_import_its_neighbours(flake: Path, tmp_path: Path) -> None:
    directory = job(flake, tmp_path / "job", "{ imports = [ ./more.nix ]; }")
    (directory / "agent/more.nix").write_text('{ hyperhive.prompt = "more"; }')
    assert proposal(directory)["settings"]["prompt"] == "more"


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("", "the commit has no agent.nix"),
        ("{ hyperhive.allowedBash = [", "syntax error"),
        ('{ hyperhive.allowedBash = [ "git*" ]; }', "did you mean `git \\*`"),
        ("{ services.hyperhive.enable = true; }", "services.hyperhive' does not exist"),
        ("{ containers.x = { }; }", "containers' does not exist"),
        ('{ hyperhive.prompt = builtins.readFile "/etc/shadow"; }', "is forbidden in"),
        ("{ hyperhive.prompt = builtins.readFile ../../../etc/shadow; }", "is forbidden in"),
        ("let x = x; in x", "infinite recursion"),
    ],
)
def test_what_is_wrong_with_a_commit_is_said(
    flake: Path, tmp_path: Path, module: str, said: str
) -> None:
    with pytest.raises(NixError, match=said):
        proposal(job(flake, tmp_path / "job", module))
