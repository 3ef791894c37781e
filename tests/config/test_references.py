"""Options that name each other, or that cannot go together."""

from __future__ import annotations

import pytest

from hyperhive import config
from hyperhive.protocol.errors import InvalidField
from tests.config.test_options import SMALLEST
from tests.config.test_values import refused


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("defaultModel", {"defaultModel": "other"}),
        ("helperModel", {"helperModel": "other"}),
        ("manager.settings.model", {"manager": {"settings": {"model": "other"}}}),
        ("agentDefaults.settings.model", {"agentDefaults": {"settings": {"model": "other"}}}),
        (
            "agents.bob.settings.fallbackModel",
            {"agents": {"bob": {"settings": {"fallbackModel": "other"}}}},
        ),
    ],
)
def test_a_model_that_is_not_listed(field: str, options: dict[str, object]) -> None:
    assert refused(**options) == field


def test_a_model_may_be_named_by_its_id() -> None:
    assert config.read({**SMALLEST, "defaultModel": "model-1"}).default_model == "model-1"


def test_a_refusal_lists_what_is_known() -> None:
    with pytest.raises(InvalidField, match="'x' is not in models; known are m"):
        config.read({**SMALLEST, "defaultModel": "x"})


@pytest.mark.parametrize(
    "models",
    [
        {"m": {"id": "model-1"}, "n": {"id": "model-1"}},
        {"m": {"id": "model-1"}, "n": {"id": "m"}},
    ],
    ids=["the same id", "an alias as id"],
)
def test_a_name_is_of_one_model(models: dict[str, object]) -> None:
    assert refused(models=models) == "models.n.id"


def test_a_model_may_be_its_own_alias() -> None:
    models = {"model-1": {"id": "model-1"}}
    assert config.read({**SMALLEST, "models": models, "defaultModel": "model-1"}).models


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("stateDir", {"stateDir": "/a/s"}),
        ("runDir", {"runDir": "/s/r"}),
        ("runDir", {"runDir": "/a"}),
        ("agentsDir", {"agentsDir": "/r/agents"}),
        ("agentsDir", {"agentsDir": "/s//x/"}),
    ],
)
def test_directories_are_apart(field: str, options: dict[str, object]) -> None:
    assert refused(**options) == field


def test_there_is_one_manager() -> None:
    assert refused(agents={"manager": {}}) == "agents.manager"
    assert refused(agents={"bob": {"role": "manager"}}) == "agents.bob.role"
    assert refused(agentDefaults={"role": "manager"}) == "agentDefaults.role"


@pytest.mark.parametrize("host", ["192.0.2.7", "hive.example.org", "2001:db8::1"])
def test_a_dashboard_on_the_network_needs_its_address(host: str) -> None:
    assert refused(dashboard={"host": host}) == "dashboard.allowedHosts"
    options = {"host": host, "allowedHosts": ["hive.example.org"]}
    assert config.read({**SMALLEST, "dashboard": options}).dashboard.host == host


def test_containers_need_a_bundle() -> None:
    assert refused(runtime={"kind": "nspawn"}) == "runtime.defaultBundle"
    runtime = {"kind": "nspawn", "defaultBundle": "/b"}
    assert config.read({**SMALLEST, "runtime": runtime}).runtime.default_bundle == "/b"


def test_what_is_built_runs_in_containers() -> None:
    nix = {"flake": "/f"}
    assert refused(nix=nix) == "nix"
    assert config.read({**SMALLEST, "nix": nix, "runtime": {"kind": "nspawn"}}).nix is not None
    assert refused(agents={"bob": {"module": "/m"}}) == "agents.bob.module"


def test_what_is_proposed_is_built() -> None:
    options = {"agents": {"bob": {"selfPropose": True}}}
    assert refused(**options) == "agents.bob.selfPropose"
    nix = {"runtime": {"kind": "nspawn"}, "nix": {"flake": "/f"}}
    assert config.read({**SMALLEST, **nix, **options}).agents["bob"].self_propose
