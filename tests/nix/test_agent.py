"""What agent.nix makes of an agent's module: the settings, and the inside of its container."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import pytest

from hyperhive.protocol.bundle import MAX_AGENT_JSON, AgentSettings, parse_settings, settings_json
from hyperhive.protocol.errors import InvalidField
from nested.agent_root import AGENT, HARNESS
from tests.nix.agents import agent, small_nixpkgs
from tests.support.nix import NixError, literal

pytestmark = pytest.mark.nixlib

EVERYTHING = {
    "model": "opus",
    "fallbackModel": "haiku",
    "allowedBash": ["git status", "pytest *"],
    "allowedTools": ["Read"],
    "allowedRecipients": ["bob"],
    "extraMcpServers": {"issues": {"command": "x", "args": ["-r"], "env": {"A": "b"}}},
    "egress": {"allow": ["a.example:443"], "modelSide": ["web_search"]},
    "limits": {
        "memoryMax": 2**31,
        "cpuQuota": 50,
        "tasksMax": 100,
        "ioWeight": 10,
        "diskMax": 2**34,
        "inodesMax": 1000,
    },
    "notes": {"compactAbove": 2048},
    "context": {"compactAt": 0.5},
    "prompt": "You know parsers well.",
    "healthTimeout": 60,
}


@pytest.fixture(scope="module")
def nixpkgs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_nixpkgs(tmp_path_factory.mktemp("nixpkgs"))


@pytest.fixture(scope="module")
def inside(nixpkgs: Path) -> Any:
    return json.loads(agent(nixpkgs, "system.inside"))


def settings_of(nixpkgs: Path, module: str = "{ }", declared: object = None) -> AgentSettings:
    return parse_settings(agent(nixpkgs, "settings", module, declared))


def test_settings_are_what_the_service_has_by_default(nixpkgs: Path) -> None:
    assert agent(nixpkgs, "settings") == json.loads(json.dumps(settings_json(AgentSettings())))


def test_every_setting_comes_through(nixpkgs: Path) -> None:
    assert EVERYTHING.keys() == settings_json(AgentSettings()).keys()
    module = f"{{ hyperhive = {literal(EVERYTHING)}; }}"
    assert settings_of(nixpkgs, module) == parse_settings(EVERYTHING)


def test_declared_settings_hold_until_the_module_says_otherwise(nixpkgs: Path) -> None:
    declared = settings_json(parse_settings(EVERYTHING))
    module = '{ hyperhive = { model = "sonnet"; allowedBash = [ ]; egress.allow = [ ]; }; }'
    found = settings_of(nixpkgs, module, declared)
    expected = {
        **EVERYTHING,
        "model": "sonnet",
        "allowedBash": [],
        "egress": {"allow": [], "modelSide": ["web_search"]},
    }
    assert found == parse_settings(expected)


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("notes.compactAbove", (1024, 2**31), (1023, 2**31 + 1)),
        ("context.compactAt", (0.1, 0.95), (0.09, 0.96)),
        ("healthTimeout", (1, 3600), (0.5, 3601)),
        ("limits.memoryMax", (64 * 2**20, 2**50), (64 * 2**20 - 1, 2**50 + 1)),
        ("limits.cpuQuota", (1, 100_000), (0, 100_001)),
        ("limits.tasksMax", (64, 2**22), (63, 2**22 + 1)),
        ("limits.ioWeight", (1, 10_000), (0, 10_001)),
        ("limits.diskMax", (2**20, 2**60), (2**20 - 1, 2**60 + 1)),
        ("limits.inodesMax", (100, 2**40), (99, 2**40 + 1)),
        ("model", ("a", "x" * 100, "us.a/b:c@1[1m]"), ("", "x" * 101, "a b")),
        ("allowedTools", (["*"], ["mcp__a__b"]), (["1"], ["x" * 101])),
        ("allowedRecipients", (["*"], ["x" * 20]), (["A"], ["x" * 21])),
        ("allowedBash", (["git *"],), (["git*"],)),
        ("egress.allow", (["a:1"],), (["a"],)),
    ],
)
def test_ranges_are_those_of_the_service(
    nixpkgs: Path, option: str, good: tuple[object, ...], bad: tuple[object, ...]
) -> None:
    first, _, second = option.partition(".")
    for value in good:
        document = {first: {second: value}} if second else {first: value}
        parse_settings(document)
        agent(nixpkgs, "drvPath", f"{{ hyperhive.{option} = {literal(value)}; }}")
    for value in bad:
        document = {first: {second: value}} if second else {first: value}
        with pytest.raises(InvalidField):
            parse_settings(document)
        with pytest.raises(NixError, match=rf"hyperhive\.{option.replace('.', '[.]')}"):
            agent(nixpkgs, "drvPath", f"{{ hyperhive.{option} = {literal(value)}; }}")


@pytest.mark.parametrize(("text", "size"), [("512M", 2**29), ("8G", 2**33), ("1T", 2**40)])
def test_sizes_may_be_text(nixpkgs: Path, text: str, size: int) -> None:
    found = settings_of(nixpkgs, f"{{ hyperhive.limits.memoryMax = {literal(text)}; }}")
    assert found.limits.memory_max == size


def test_settings_fit_into_the_file_that_the_launcher_reads(nixpkgs: Path) -> None:
    longest = "x" * (MAX_AGENT_JSON - len(json.dumps(agent(nixpkgs, "settings"))) - 100)
    agent(nixpkgs, "drvPath", f"{{ hyperhive.prompt = {literal(longest)}; }}")
    with pytest.raises(NixError, match=r"hyperhive: the settings have \d+ bytes as JSON, at most"):
        agent(nixpkgs, "drvPath", f"{{ hyperhive.prompt = {literal(longest + 200 * 'x')}; }}")


def test_an_unknown_setting_is_refused(nixpkgs: Path) -> None:
    with pytest.raises(NixError, match=r"`hyperhive\.allowBash' does not exist"):
        agent(nixpkgs, "drvPath", "{ hyperhive.allowBash = [ ]; }")


def test_settings_change_nothing_of_the_system(nixpkgs: Path) -> None:
    """A deploy is restart-free exactly when `system` is the same path."""
    other = f"{{ hyperhive = {literal(EVERYTHING)}; }}"
    assert agent(nixpkgs, "system.drvPath") == agent(nixpkgs, "system.drvPath", other)
    assert agent(nixpkgs, "drvPath") != agent(nixpkgs, "drvPath", other)
    package = "{ pkgs, ... }: { environment.systemPackages = [ pkgs.util-linux ]; }"
    assert agent(nixpkgs, "system.drvPath") != agent(nixpkgs, "system.drvPath", package)


def unit(text: str) -> dict[str, dict[str, list[str]]]:
    """Section -> key -> values."""
    parser = configparser.RawConfigParser(strict=False, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are
    parser.read_string(text.replace("Environment=HOME", "Environ=HOME"))
    return {s: {k: [v] for k, v in parser[s].items()} for s in parser.sections()}


def test_the_harness_runs_as_in_the_nested_host(inside: Any) -> None:
    """The same meaning of its end, the same user, directory and environment."""
    nested = unit(HARNESS.format(python="python"))
    here = inside["units"]["hyperhive-harness"]

    def same(value: object) -> list[str]:
        return [
            {True: "yes", False: "no"}.get(value, str(value))
            if isinstance(value, bool)
            else str(value)
        ]

    assert {k: same(v) for k, v in here["unitConfig"].items()} == {
        k: v for k, v in nested["Unit"].items() if k != "Description"
    }
    service = dict(nested["Service"])
    (variables,), _ = service.pop("Environ"), service.pop("Environment")
    assert here["serviceConfig"].pop("ExecStart").endswith("/bin/harness run")
    service.pop("ExecStart")
    assert {k: same(v) for k, v in here["serviceConfig"].items()} == service
    # What NixOS's Python needs no variable for: its store is read-only.
    expected = dict(v.split("=") for v in variables.split())
    assert here["environment"] == {k: v for k, v in expected.items() if not k.startswith("PYTHON")}
    assert here["wantedBy"] == ["multi-user.target"]
    assert "/run/current-system/sw" in here["path"]


def test_the_agent_has_the_uid_that_the_launcher_gives_its_files(inside: Any) -> None:
    user = inside["users"]["users"]["agent"]
    assert (user["uid"], user["home"]) == (AGENT, "/home/agent")
    assert not user["createHome"]
    assert inside["users"]["groups"]["agent"]["gid"] == AGENT


def test_it_boots_as_a_container_without_network_or_nix(nixpkgs: Path, inside: Any) -> None:
    assert inside["boot"]["isNspawnContainer"]
    assert inside["boot"]["specialFileSystems"] == {}
    network = inside["networking"]
    assert network["useDHCP"] is network["firewall"]["enable"] is False
    assert network["hostName"] == "alice"
    assert "Storage=volatile\n" in inside["services"]["journald"]["extraConfig"]


def test_an_older_nixos_is_told_by_the_older_name(nixpkgs: Path, tmp_path: Path) -> None:
    old = small_nixpkgs(tmp_path / "old")
    stub = old / "stubs/container.nix"
    stub.write_text(stub.read_text().replace("isNspawnContainer", "isContainer"))
    assert json.loads(agent(old, "system.inside"))["boot"]["isContainer"]


def test_commits_have_an_author(inside: Any) -> None:
    git = inside["programs"]["git"]
    assert git["enable"]
    assert git["config"]["user"] == {"name": "alice", "email": "alice@hyperhive.invalid"}


def test_an_old_claude_code_is_refused(nixpkgs: Path, tmp_path: Path) -> None:
    old = small_nixpkgs(tmp_path / "old")
    stub = old / "stubs/pkgs.nix"
    stub.write_text(stub.read_text().replace("2.1.200", "2.1.127"))
    with pytest.raises(NixError, match=r"claude-code: 2\.1\.127 is older than 2\.1\.128"):
        agent(old, "drvPath")
