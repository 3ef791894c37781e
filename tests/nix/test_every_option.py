"""Every option has what a reader needs, does something, and comes through to who reads it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from hyperhive.config.file import read
from hyperhive.config.options import AgentConfig, Config, DashboardConfig, NixConfig
from hyperhive.nspawn.launch_policy import AgentPolicy, Policy
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.schema import camel, parse
from tests.support.nix import ROOT, STUBS, evaluate

pytestmark = pytest.mark.nixlib

DOCS = ROOT / "docs/options.md"


@pytest.fixture(scope="module")
def every() -> Any:
    return evaluate(f"import {STUBS}/every_option.nix {{ inherit lib; }}")


def test_all_set_at_once_is_right(every: Any) -> None:
    assert len(every["paths"]) > 120
    assert every["problems"] == []


def test_each_has_an_example_that_is_not_its_default(every: Any) -> None:
    assert every["idle"] == []


def test_each_changes_what_is_installed(every: Any) -> None:
    assert every["ignored"] == []


def test_the_service_takes_all_of_them(every: Any) -> None:
    config = read(every["settings"])
    alice = config.agents["alice"]
    for agent in (alice, config.manager, config.agent_defaults):
        assert agent.settings.allowed_bash == ("git status", "pytest *")
        assert agent.settings.extra_mcp_servers["issues"].env == {"TRACKER": "main"}
        assert agent.limits.memory_max == 3 * 2**30
        assert agent.module
        assert agent.budget.usd_per_day == 5
    assert config.dashboard.token_file == "/run/credentials/hyperhive.service/token"
    assert config.mail.max_hops == 50
    assert config.retention.message_days == 7


def test_the_launcher_takes_all_of_them(every: Any) -> None:
    policy = parse(Policy, json.loads(every["policy"]["text"]), camel_case=True)
    for name in ("alice", "manager"):
        (bind,) = policy.of(name).binds
        assert (bind.source, bind.target, bind.writable) == ("/srv/data", "/data", True)
        assert policy.of(name).capabilities == ("CAP_NET_RAW",)
        assert policy.of(name).devices == ("/dev/kvm",)
        assert policy.of(name).ceilings.memory_max == 3 * 2**30


def test_each_option_of_the_service_has_one_of_the_module(every: Any) -> None:
    """Or is among `settings`, or its value is the module's own business."""
    paths = {path.removeprefix("services.hyperhive.") for path in every["paths"]}
    own = {"stateDir", "runDir", "agentsDir"}
    free = {"upstream", "gateway", "mail", "runtime"}
    tops = {path.split(".")[0] for path in paths}
    assert {camel(f.name) for f in fields(Config)} - own - free <= tops
    of_alice = {path.removeprefix("agents.alice.").split(".")[0] for path in paths}
    assert {camel(f.name) for f in fields(AgentConfig)} - {"settings"} <= of_alice
    assert {camel(f.name) for f in fields(AgentSettings)} <= of_alice
    assert {camel(f.name) for f in fields(DashboardConfig)} <= {
        path.removeprefix("dashboard.") for path in paths
    }
    assert {camel(f.name) for f in fields(NixConfig)} <= {
        path.removeprefix("nix.") for path in paths
    }
    granted = {"binds": "bindMounts", "capabilities": "linuxCapabilities", "ceilings": "limits"}
    policy = {camel(f.name) for f in fields(AgentPolicy)}
    assert {granted.get(name, name) for name in policy} <= of_alice


def test_the_reference_is_what_the_modules_say() -> None:
    text = evaluate(f"import {ROOT}/nix/docs.nix {{ inherit lib; }}")
    assert DOCS.read_text() == text, "docs/options.md is stale: nix/docs.nix says how to write it"


def test_the_reference_has_type_example_and_description_of_each() -> None:
    sections = DOCS.read_text().split("\n### ")[1:]
    assert len(sections) > 80
    for section in sections:
        title, description, *_ = [line for line in section.splitlines() if line]
        assert description.endswith((".", ",")) or " " in description, title
        assert "\n- type: " in section, title
        assert "\n- example:" in section or title.endswith(".enable`"), title
        assert "\n- default:" in section or "\n- required" in section, title
