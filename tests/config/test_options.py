"""Every option wrong in turn, and what is so without a word."""

from __future__ import annotations

import pytest

from hyperhive import config
from hyperhive.config import AgentConfig, Config
from hyperhive.config.options import BudgetConfig, DashboardConfig, RetentionConfig, RuntimeConfig
from hyperhive.protocol.errors import InvalidField
from tests.config.complete import complete
from tests.support.wrong import mistakes

MISTAKES = mistakes(Config, complete(), camel_case=True)
SMALLEST = {
    "stateDir": "/s",
    "runDir": "/r",
    "agentsDir": "/a",
    "credentialFile": "/c",
    "models": {"m": {"id": "model-1"}},
    "defaultModel": "m",
}


def named(document: object) -> str | None:
    """The field of the refusal; None when there is none."""
    try:
        config.read(document)
    except InvalidField as refused:
        return refused.field if refused.problem else None
    return None


def test_every_option_wrong_in_turn_is_named() -> None:
    found = [(str(m), named(m.document)) for m in MISTAKES]
    assert [(m, f) for (m, f), right in zip(found, MISTAKES, strict=True) if f != right.field] == []


def test_there_are_mistakes_in_every_place() -> None:
    fields = {mistake.field for mistake in MISTAKES}
    assert len(MISTAKES) > 700
    assert len(fields) > 150
    assert {"models.sonnet.prices.cacheWrite", "agents.alice.settings.egress.allow[0]"} <= fields


def test_what_is_right_is_read() -> None:
    read = config.read(complete())
    assert read.agents["alice"].settings.extra_mcp_servers["issues"].args == ("--read-only",)
    assert read.agents["alice"].budget == BudgetConfig(
        usd_per_day=5.0, usd_per_turn=0.5, tokens_per_day=2_000_000
    )
    assert read.dashboard.allowed_hosts == ("https://hive.example.org",)


def test_defaults() -> None:
    read = config.read(SMALLEST)
    assert read.upstream == "https://api.anthropic.com"
    assert read.dashboard == DashboardConfig(host="127.0.0.1", port=7000)
    assert read.runtime == RuntimeConfig(kind="local", lease_seconds=60, crash_limit=5)
    assert read.retention == RetentionConfig(messages=100_000, events=1_000_000)
    assert read.agents == {}
    assert not read.strict_versions
    for agent in (read.manager, read.agent_defaults):
        assert agent == AgentConfig()
        assert agent.settings.allowed_bash == ()


def test_the_manager_is_declared_whatever_its_options_say() -> None:
    manager = config.read({**SMALLEST, "agents": {"bob": {}}}).declared()["manager"]
    assert (manager.role, manager.capabilities) == ("manager", ("manage",))
    assert list(config.read({**SMALLEST, "agents": {"bob": {}}}).declared()) == ["manager", "bob"]


@pytest.mark.parametrize("where", ["agents", "agentDefaults"])
def test_who_wants_to_grant_proposals_is_told_of_the_option(where: str) -> None:
    agent = {"capabilities": ["manage", "propose"]}
    document = {**SMALLEST, where: {"bob": agent} if where == "agents" else agent}
    with pytest.raises(
        InvalidField, match=r"capabilities\[1\]: must be `manage`.*`selfPropose: true`"
    ):
        config.read(document)
