"""What module.nix makes of the smallest configuration."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from hyperhive.config.file import read
from hyperhive.nspawn.launch_policy import Policy
from hyperhive.protocol.limits import Ceilings
from hyperhive.protocol.schema import parse
from nested import install
from tests.nix.hosts import host, problems_of
from tests.support.nix import ROOT, literal

pytestmark = pytest.mark.nixlib

PACKAGING = ROOT / "packaging"


@pytest.fixture(scope="module")
def smallest() -> Any:
    return host({"agents": {"alice": {"description": "Writes the parser."}}})


def lines(path: str) -> list[str]:
    text = (PACKAGING / path).read_text().splitlines()
    return [line for line in text if line and not line.startswith("#")]


def test_it_is_right(smallest: Any) -> None:
    assert smallest["problems"] == []
    assert smallest["warnings"] == []


def test_the_service_can_read_its_configuration(smallest: Any) -> None:
    config = read(smallest["settings"])
    assert config.runtime.kind == "nspawn"
    assert config.nix is not None
    assert config.nix.flake.startswith("/nix/store/")
    assert config.default_model == "sonnet"
    assert config.credential_file == "/run/credentials/hyperhive.service/credential"
    assert config.strict_versions
    assert config.declared()["alice"].description == "Writes the parser."
    assert config.declared()["alice"].limits == Ceilings()


def test_defaults_are_those_of_the_service(smallest: Any) -> None:
    given = read(smallest["settings"])
    bare = {"stateDir", "runDir", "agentsDir", "models", "defaultModel", "credentialFile", "nix"}
    needed = {key: smallest["settings"][key] for key in (*bare, "runtime", "agents")}
    # Of a host that is for use, other than of a file written for a look.
    assert given == read({**needed, "strictVersions": True})


def test_the_file_is_checked_by_the_program_before_it_is_installed(smallest: Any) -> None:
    assert "/bin/git check-config config.yaml\n" in smallest["configFile"]
    assert smallest["restartedFor"] == ["hyperhive.yaml"]


def test_the_launcher_can_read_its_policy(smallest: Any) -> None:
    policy = smallest["policy"]
    parsed = parse(Policy, json.loads(policy["text"]), camel_case=True)
    assert parsed.bundle_roots == parsed.bind_read_only == ("/nix/store",)
    assert parsed.of("alice").ceilings == Ceilings()
    assert parsed.service_user == "hyperhive"
    # It follows no link, which a file in /etc without a mode would be.
    assert policy["mode"] == "0444"


def test_units_are_those_that_the_nested_host_gets(smallest: Any) -> None:
    nested = install.units(PACKAGING, "/python/bin/python3")
    nixos = {
        path.removeprefix("lib/systemd/system/"): text for path, text in smallest["units"].items()
    }
    assert nixos.keys() == nested.keys() >= {"hyperhive.service", "hyperhive-agent@.service"}
    for name, text in nixos.items():
        plain = re.sub(r"(?<=Environment=PATH=)\S+", install.PATH, text)
        plain = plain.replace("/run/secrets/anthropic", "/etc/hyperhive/credential")
        assert plain == nested[name], name
        assert not re.search(r"@[a-z]+@", plain)


def test_the_service_finds_what_it_starts(smallest: Any) -> None:
    service = smallest["services"]["hyperhive"]
    assert service["wantedBy"] == ["multi-user.target"]
    assert not service["stopIfChanged"]
    assert service["environment"] == {"GI_TYPELIB_PATH": "/typelibs"}
    for program in ("git", "nix", "util-linux"):
        assert any(path.endswith(f"-{program}") for path in service["path"]), program


@pytest.mark.parametrize("unit", ["agent", "purge", "eval", "build"])
def test_a_switch_of_the_host_leaves_agents_alone(smallest: Any, unit: str) -> None:
    """switch-to-configuration of NixOS looks into this section and no other one."""
    text = smallest["units"][f"lib/systemd/system/hyperhive-{unit}@.service"]
    _, service = text.split("[Service]\n")
    assert "X-RestartIfChanged=false\n" in service


def test_directories_rules_and_the_journal_are_those_of_packaging(smallest: Any) -> None:
    assert smallest["tmpfiles"] == [
        line
        for file in sorted(PACKAGING.glob("tmpfiles/*"))
        for line in lines(f"tmpfiles/{file.name}")
    ]
    assert smallest["polkit"] == {
        "enable": True,
        "rules": str(PACKAGING / "polkit/50-hyperhive.rules"),
    }
    assert smallest["journald"] == str(PACKAGING / "journald/hyperhive.conf")


def test_users_and_groups_are_those_of_packaging(smallest: Any) -> None:
    entries = [line.split() for line in lines("sysusers/hyperhive.conf")]
    users = {name for kind, name, *_ in entries if kind == "u"}
    groups = {name for kind, name, *_ in entries if kind == "g"}
    members = {(name, group) for kind, name, group, *_ in entries if kind == "m"}
    assert set(smallest["users"]) == users
    assert set(smallest["groups"]) == groups | users
    assert members == {
        (name, group) for name, user in smallest["users"].items() for group in user["extraGroups"]
    }
    assert all(user["isSystemUser"] and user["group"] for user in smallest["users"].values())


def test_nothing_is_there_unless_it_is_enabled() -> None:
    found = host(
        {}, "evaluated.config.environment.etc", "{ services.hyperhive.enable = lib.mkForce false; }"
    )
    assert found == {}


def test_secrets_are_handed_over_by_systemd(smallest: Any) -> None:
    found = host({"dashboard": {"tokenFile": "/run/secrets/token"}})
    unit = found["units"]["lib/systemd/system/hyperhive.service"]
    assert "LoadCredential=credential:/run/secrets/anthropic\n" in unit
    assert "LoadCredential=token:/run/secrets/token\n" in unit
    assert found["settings"]["dashboard"]["tokenFile"].startswith("/run/credentials/")
    assert "token" not in smallest["units"]["lib/systemd/system/hyperhive.service"]


def test_an_agent_s_module_is_copied_to_the_store_or_named() -> None:
    modules = f"""{{
      services.hyperhive.agents.alice.module = {ROOT}/tests/nix/stubs/agents/alice;
      services.hyperhive.agents.bob.module = "/etc/hyperhive/bob.nix";
    }}"""
    agents = host({}, "settings.agents", modules)
    assert agents["alice"]["module"].startswith("/nix/store/")
    assert agents["alice"]["module"].endswith("-alice")
    assert agents["bob"]["module"] == "/etc/hyperhive/bob.nix"


def test_further_settings_are_taken_and_a_second_value_is_an_error() -> None:
    settings = host({"settings": {"mail": {"maxHops": 50}}}, "settings")
    assert read(settings).mail.max_hops == 50
    with pytest.raises(Exception, match="conflicting definition"):
        host({"settings": {"dashboard": {"port": 7001}}}, "settings")


def test_patterns_that_grant_more_than_they_say_are_warned_about() -> None:
    found = host({"agents": {"alice": {"allowedBash": ["git push *", "git status"]}}})
    assert found["problems"] == []
    (warning,) = found["warnings"]
    assert warning.startswith("services.hyperhive.agents.alice.allowedBash: `git push *` can run")


@pytest.mark.parametrize(
    ("part", "version", "good"),
    [
        ("nix", "2.28.5", False),
        ("nix", "2.28.6", True),
        ("nix", "2.29.2", False),
        ("nix", "2.31.10", True),
        ("nix", "2.35.0", True),
        ("systemd", "257.9", False),
        ("systemd", "257.12", True),
        ("systemd", "259.3", False),
        ("systemd", "260", True),
    ],
)
def test_parts_with_known_faults_are_refused_or_warned_about(
    part: str, version: str, good: bool
) -> None:
    option = f"{part}.package"
    older = f"{{ pkgs, ... }}: {{ {option} = pkgs.nix // {{ version = {literal(version)}; }}; }}"
    found = problems_of({}, older)
    assert (
        [p.startswith(f"{option}: {version} is older than") for p in found] == []
        if good
        else [True]
    )
    if not good:
        assert host({"strictVersions": False}, "warnings", older) == [found[0]]
