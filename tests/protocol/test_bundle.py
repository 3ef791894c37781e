"""agent.json: read strictly, written whole, and the same after both."""

import json
from typing import Any

import pytest

from hyperhive.protocol.bundle import AgentSettings, McpServer, parse_settings, settings_json
from hyperhive.protocol.errors import InvalidField

FULL: dict[str, Any] = {
    "model": "big",
    "fallbackModel": "small",
    "allowedBash": ["git *", "make"],
    "allowedTools": ["Read", "*"],
    "allowedRecipients": ["bob"],
    "extraMcpServers": {
        "files-of_all": {"command": "serve", "args": ["--all", ""], "env": {"SOME_VAR": "x"}}
    },
    "egress": {"allow": ["pypi.example:443", "*.example.org:8443"], "modelSide": ["web_fetch"]},
    "limits": {
        "memoryMax": 2**30,
        "cpuQuota": 50,
        "tasksMax": 200,
        "ioWeight": 10,
        "diskMax": 2**31,
        "inodesMax": 10_000,
    },
    "notes": {"compactAbove": 2_048},
    "context": {"compactAt": 0.5},
    "prompt": "You cook.",
    "healthTimeout": 30.0,
}


def plain(settings: AgentSettings) -> Any:
    return json.loads(json.dumps(settings_json(settings)))


def test_defaults_are_careful() -> None:
    settings = parse_settings({})
    assert settings == AgentSettings()
    assert settings.allowed_bash == settings.egress.allow == settings.egress.model_side == ()
    assert settings.allowed_tools == ("Read", "Edit", "Write", "Glob", "Grep", "Bash")
    assert settings.allowed_recipients == ("*",)


@pytest.mark.parametrize("document", [{}, FULL], ids=["defaults", "everything"])
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    settings = parse_settings(document)
    assert parse_settings(plain(settings)) == settings
    assert plain(parse_settings(plain(settings))) == plain(settings)


def test_every_option_is_written() -> None:
    assert plain(parse_settings(FULL)) == FULL
    assert plain(AgentSettings()).keys() == FULL.keys()


def test_names_are_not_respelled() -> None:
    settings = parse_settings(FULL)
    server = McpServer(command="serve", args=("--all", ""), env={"SOME_VAR": "x"})
    assert settings.extra_mcp_servers == {"files-of_all": server}
    assert "files-of_all" in plain(settings)["extraMcpServers"]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"allowed_bash": []}, "settings.allowed_bash"),
        ({"allowedBash": ["git*"]}, "settings.allowedBash[0]"),
        ({"allowedBash": "git *"}, "settings.allowedBash"),
        ({"allowedTools": ["Bash(git *)"]}, "settings.allowedTools[0]"),
        ({"allowedRecipients": ["Bob"]}, "settings.allowedRecipients[0]"),
        ({"model": ""}, "settings.model"),
        ({"model": "-x"}, "settings.model"),
        (
            {"extraMcpServers": {"hyperhive": {"command": "x"}}},
            "settings.extraMcpServers.hyperhive",
        ),
        ({"extraMcpServers": {"a__b": {"command": "x"}}}, "settings.extraMcpServers.a__b"),
        ({"extraMcpServers": {"a": {}}}, "settings.extraMcpServers.a.command"),
        ({"egress": {"allow": ["example.org"]}}, "settings.egress.allow[0]"),
        ({"egress": {"allow": ["example.org:0"]}}, "settings.egress.allow[0]"),
        ({"egress": {"allow": ["example.org:65536"]}}, "settings.egress.allow[0]"),
        ({"egress": {"allow": ["https://example.org:443"]}}, "settings.egress.allow[0]"),
        ({"egress": {"allow": ["*:443"]}}, "settings.egress.allow[0]"),
        ({"egress": {"allow": ["a.example:443\n"]}}, "settings.egress.allow[0]"),
        ({"notes": {"compactAbove": 10}}, "settings.notes.compactAbove"),
        ({"context": {"compactAt": 1}}, "settings.context.compactAt"),
        ({"prompt": "x" * 65_537}, "settings.prompt"),
        ({"healthTimeout": 0}, "settings.healthTimeout"),
        ([], "settings"),
    ],
    ids=str,
)
def test_a_wrong_option_is_named(document: Any, field: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        parse_settings(document)
    assert refusal.value.field == field


def test_a_pattern_that_does_not_mean_what_it_says_is_corrected() -> None:
    with pytest.raises(InvalidField, match=r"git \*"):
        parse_settings({"allowedBash": ["git*"]})
