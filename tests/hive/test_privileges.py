"""What an agent may do after a change and could not before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hyperhive.hive.privileges import NOTHING, Effect, Privilege, compare
from hyperhive.protocol.bundle import (
    AgentSettings,
    Context,
    Egress,
    Limits,
    McpServer,
    Notes,
    parse_settings,
)

LISTS = ("allowed_bash", "allowed_tools", "allowed_recipients")


def told(option: str, before: Any, after: Any) -> list[tuple[Effect, str]]:
    """Of a change of this option alone."""
    old = replace(AgentSettings(), **{option: before})
    found = compare(old, replace(old, **{option: after}))
    return [(privilege.effect, privilege.what) for privilege in found]


def test_nothing_differs() -> None:
    settings = parse_settings(
        {"allowedBash": ["git *"], "extraMcpServers": {"x": {"command": "y"}}, "prompt": "p"}
    )
    assert compare(settings, settings) == ()
    assert compare(NOTHING, NOTHING) == ()


@pytest.mark.parametrize("option", LISTS)
def test_entries_of_lists_come_and_go(option: str) -> None:
    assert told(option, ("a", "b"), ("b", "c")) == [("wider", "c"), ("narrower", "a")]
    assert told(option, ("a", "b"), ("b", "a", "a")) == []


@pytest.mark.parametrize("option", LISTS)
def test_all_covers_each(option: str) -> None:
    assert told(option, ("a",), ("a", "*")) == [("wider", "* (all)")]
    assert told(option, ("a", "*"), ("*",)) == [("other", "a is not named, and still allowed")]
    assert told(option, ("*",), ("*", "a")) == [("other", "a is named, and was allowed before")]
    assert told(option, ("*",), ("a",)) == [
        ("other", "a is named, and was allowed before"),
        ("narrower", "* (all)"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        ("git *", "git push *", ["other", "narrower"]),
        ("git push *", "git *", ["wider", "other"]),
        ("git *", "git", ["other", "narrower"]),
        ("git", "git *", ["wider", "other"]),
        ("git:*", "git *", ["other", "other"]),
        ("git *", "gitk *", ["wider", "narrower"]),
        ("git push *", "git pull *", ["wider", "narrower"]),
        ("ls -l", "ls -l -a", ["wider", "narrower"]),
    ],
)
def test_a_pattern_that_another_covers_is_not_wider(
    before: str, after: str, effects: list[str]
) -> None:
    assert [effect for effect, _ in told("allowed_bash", (before,), (after,))] == effects


def test_a_pattern_that_grants_more_than_it_says_is_told() -> None:
    assert told("allowed_bash", (), ("npm *", "ls *")) == [
        ("wider", "npm *; `npm *` can run any program: `npm` starts others"),
        ("wider", "ls *"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        ("a.example:443", "b.example:443", ["wider", "narrower"]),
        ("*.example:443", "a.example:443", ["other", "narrower"]),
        ("a.example:443", "*.example:443", ["wider", "other"]),
        ("*.example:443", "*.a.example:443", ["other", "narrower"]),
        ("*.a.example:443", "*.example:443", ["wider", "other"]),
        ("*.example:443", "*.example:80", ["wider", "narrower"]),
        ("*.example:443", "example:443", ["wider", "narrower"]),
        ("example:443", "*.example:443", ["wider", "narrower"]),
        ("A.example:443", "a.example:443", ["other", "other"]),
        ("*.A.example:443", "*.a.example:443", ["other", "other"]),
    ],
)
def test_hosts_are_compared_by_what_they_cover(before: str, after: str, effects: list[str]) -> None:
    found = told("egress", Egress(allow=(before,)), Egress(allow=(after,)))
    assert [effect for effect, _ in found] == effects


def test_what_the_models_servers_may_do() -> None:
    found = told("egress", Egress(), Egress(model_side=("web_search",)))
    assert found == [("wider", "web_search")]


def test_servers_are_shown_with_their_commands() -> None:
    one = McpServer(command="/bin/one", args=("-x", "a b"), env={"K": "v"})
    two = replace(one, args=(), env={})
    shown = '["/bin/one", "-x", "a b"] with {"K": "v"}'
    assert told("extra_mcp_servers", {}, {"s": one}) == [("wider", f"s: {shown}")]
    assert told("extra_mcp_servers", {"s": one}, {"s": two}) == [
        ("wider", f's: ["/bin/one"], before {shown}')
    ]
    assert told("extra_mcp_servers", {"s": one, "b": two}, {"b": two}) == [
        ("narrower", f"s: {shown}")
    ]


def test_limits_are_wider_when_raised_or_left_to_the_host() -> None:
    def limit(before: int | None, after: int | None) -> list[tuple[Effect, str]]:
        return told("limits", Limits(tasks_max=before), Limits(tasks_max=after))

    assert limit(64, 128) == [("wider", "64 -> 128")]
    assert limit(128, 64) == [("narrower", "128 -> 64")]
    assert limit(64, None) == [("wider", "64 -> the host's limit")]
    assert limit(None, 64) == [("narrower", "the host's limit -> 64")]
    found = compare(AgentSettings(), AgentSettings(limits=Limits(memory_max=2**30)))
    assert [privilege.option for privilege in found] == ["limits.memoryMax"]


def test_what_gives_no_right_is_told_too() -> None:
    after = AgentSettings(
        model="opus",
        fallback_model="haiku",
        notes=Notes(compact_above=2_048),
        context=Context(compact_at=0.5),
        prompt="x" * 300,
        health_timeout=60.0,
    )
    assert compare(AgentSettings(), after) == (
        Privilege("model", "the host's choice -> opus", "other"),
        Privilege("fallbackModel", "the host's choice -> haiku", "other"),
        Privilege("notes.compactAbove", "65536 -> 2048", "other"),
        Privilege("context.compactAt", "0.75 -> 0.5", "other"),
        Privilege("prompt", f"none -> {'x' * 200}… (300 characters)", "other"),
        Privilege("healthTimeout", "120 -> 60", "other"),
    )


def test_a_prompt_that_differs_far_behind_is_told_by_where() -> None:
    long = "x" * 300
    (found,) = compare(AgentSettings(prompt=long + "a"), AgentSettings(prompt=long + "bc"))
    around = "…" + "x" * 20
    assert found.what == f"{around}a (301 characters) -> {around}bc (302 characters)"


def test_where_nothing_ran_all_is_new() -> None:
    assert {(p.option, p.what) for p in compare(None, AgentSettings()) if p.effect == "wider"} == {
        *(("allowedTools", tool) for tool in AgentSettings().allowed_tools),
        ("allowedRecipients", "* (all)"),
    }


def test_every_option_is_compared() -> None:
    """With each option of `agent.nix` changed, each is told of."""
    after = parse_settings(
        {
            "model": "m",
            "fallbackModel": "m",
            "allowedBash": ["ls"],
            "allowedTools": ["Task"],
            "allowedRecipients": ["bob"],
            "extraMcpServers": {"s": {"command": "c"}},
            "egress": {"allow": ["a:1"], "modelSide": ["x"]},
            "limits": dict.fromkeys(("memoryMax", "diskMax", "inodesMax"), 2**27)
            | {"cpuQuota": 1, "tasksMax": 64, "ioWeight": 1},
            "notes": {"compactAbove": 2_048},
            "context": {"compactAt": 0.5},
            "prompt": "p",
            "healthTimeout": 5,
        }
    )
    options = {privilege.option for privilege in compare(AgentSettings(), after)}
    assert len(options) == 18
