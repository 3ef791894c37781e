"""The tests for a NixOS that is booted: as far as can be seen without one, they are right."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest

from hyperhive import __version__
from hyperhive.config.file import read
from hyperhive.demo import scenario
from tests.nix import scripts
from tests.nix.driven import FOLDER, NAMES, driven_tests
from tests.support.nix import ROOT

HELPERS = (FOLDER / "lib/hive.py").read_text()
EACH = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return driven_tests(tmp_path_factory.mktemp("nixpkgs"))


@pytest.mark.nixlib
def test_every_file_is_a_check_by_its_name(checks: dict[str, Any]) -> None:
    assert sorted(checks) == NAMES
    assert len(NAMES) >= 21
    assert {name: test["name"] for name, test in checks.items()} == {
        name: f"hyperhive-{name}" for name in NAMES
    }


@EACH
def test_it_is_short_and_says_what_it_is_about(name: str) -> None:
    lines = (FOLDER / f"{name}.nix").read_text().splitlines()
    assert 20 <= len(lines) <= 80
    assert lines[0].startswith("# ")
    assert lines[0].endswith(".")


@pytest.mark.nixlib
@EACH
def test_its_machines_are_configured_well(checks: dict[str, Any], name: str) -> None:
    machines = checks[name]["machines"]
    assert "machine" in machines
    for machine in (*machines.values(), *machines["machine"]["others"].values()):
        assert (machine["problems"], machine["warnings"]) == ([], [])
        if machine["settings"] is not None:
            config = read(machine["settings"])
            assert len(machine["prebuilt"]) >= 2 * (1 + len(machine["settings"]["agents"]))
            started = machine["started"]["scripted-model"]["ExecStart"].split()
            assert config.upstream == f"http://127.0.0.1:{started[-1]}"


@pytest.mark.nixlib
def test_what_is_switched_to_is_another_declaration(checks: dict[str, Any]) -> None:
    changing = [name for name in NAMES if name.startswith("declaration-")]
    assert len(changing) == 3
    for name in changing:
        machine = checks[name]["machines"]["machine"]
        (other,) = machine["others"].items()
        assert other[1]["settings"]["agents"] != machine["settings"]["agents"]
        assert f"/specialisation/{other[0]}/bin/" in checks[name]["script"]


@pytest.mark.nixlib
def test_an_upgrade_replaces_the_package_and_the_flake(checks: dict[str, Any]) -> None:
    machines = checks["upgrade"]["machines"]
    before, after = machines["machine"], machines["upgraded"]
    assert before["package"].endswith("-hyperhive-0.0.0")
    assert after["package"].endswith(f"-hyperhive-{__version__}")
    assert before["settings"]["nix"]["flake"].endswith("-hyperhive-flake-before")
    assert after["settings"]["nix"]["flake"].endswith("-hyperhive-flake")
    assert after["toplevel"] in before["prebuilt"]
    assert f"{after['toplevel']}/bin/switch" in checks["upgrade"]["script"]


@pytest.mark.nixlib
def test_an_upgrade_is_from_the_release_before(tmp_path: Path) -> None:
    """Its own module, and nothing of the one that the other machines have."""
    release = tmp_path / "release"
    ignored = shutil.ignore_patterns("__pycache__", "vendor")
    for folder in ("nix", "packaging", "hyperhive"):
        shutil.copytree(ROOT / folder, release / folder, ignore=ignored)
    for file in ("module.nix", "agent.nix", "LICENSE", "pyproject.toml", "package-lock.json"):
        shutil.copy(ROOT / file, release)
    (release / "hyperhive/__init__.py").write_text('__version__ = "0.0.1"\n')
    nixpkgs = tmp_path / "nixpkgs"
    nixpkgs.mkdir()
    previous = f"{{ nixosModules.default = {release}/module.nix; }}"
    machines = driven_tests(nixpkgs, previous)["upgrade"]["machines"]
    assert machines["machine"]["package"].endswith("-hyperhive-0.0.1")
    assert machines["upgraded"]["package"].endswith(f"-hyperhive-{__version__}")
    flakes = {machine["settings"]["nix"]["flake"] for machine in machines.values()}
    assert len(flakes) == 2


@pytest.mark.nixlib
def test_scripts_are_typed_and_use_what_the_driver_has(
    checks: dict[str, Any], tmp_path: Path
) -> None:
    written = {name: (test["script"], set(test["machines"])) for name, test in checks.items()}
    assert scripts.mistakes(tmp_path, written) == ""


def test_mistakes_in_a_script_are_found(tmp_path: Path) -> None:
    script = "import os\nmachine.succed('true')\noutside.start(1, 2)\nother.start()\n"
    found = scripts.mistakes(tmp_path, {"wrong": (script, {"machine", "outside"})})
    for mistake in ("succed", "Too many arguments", '"other" is not defined', "`os` imported"):
        assert mistake in found, found


@pytest.mark.nixlib
@EACH
def test_our_command_line_takes_what_it_says(checks: dict[str, Any], name: str) -> None:
    script = checks[name]["script"]
    assert HELPERS in script
    found = scripts.commands(script)
    assert len(found) == len(re.findall(r"(?<![\w/])hyperhive [a-z]", script))
    assert len(found) >= len(scripts.commands(HELPERS)) >= 6
    for words in found:
        scripts.check(words)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "aprove 3",
        "approve",
        "approve three",
        "approve 3 4",
        "send alice",
        "send --id 3 alice text",
        "inbox --limit none",
        "login-link --json now",
        "shell alice --user nobody",
        "debug",
        "debug send alice bob",
    ],
)
def test_what_it_would_not_take_is_found(command: str) -> None:
    with pytest.raises(click.UsageError):
        scripts.check(["hyperhive", *shlex.split(command)])


def test_commands_are_found_wherever_they_are() -> None:
    script = """
        number = 3
        machine.succeed(f"hyperhive approve {number} --note 'go on'")
        machine.succeed("echo id | hyperhive shell alice", "true; hyperhive status && true")
        hive.json("hyperhive agents")
        machine.succeed("systemctl restart hyperhive", "echo 'hyperhive nothing'")
    """
    assert sorted(scripts.commands("if True:\n" + script)) == [
        ["hyperhive", "agents", "--json"],
        ["hyperhive", "approve", "1", "--note", "go on"],
        ["hyperhive", "shell", "alice"],
        ["hyperhive", "status"],
    ]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("lib/*.yaml")), ids=lambda path: path.stem)
def test_the_model_can_play_its_scenario(path: Path) -> None:
    assert scenario.load(path).rules
