"""Every use of a tool is decided: built-in, shell and MCP."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hyperhive.harness.bash_policy import Decision
from hyperhive.harness.tool_policy import ToolPolicy, decide_tool
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.patterns import parse_bash_patterns

BUILT_IN = ("Read", "Edit", "Write", "Glob", "Grep", "Bash")


def policy(
    tools: tuple[str, ...] = BUILT_IN,
    bash: Sequence[str] = ("git *",),
    servers: Sequence[str] = ("hyperhive", "code-search"),
) -> ToolPolicy:
    return ToolPolicy(
        allowed_tools=tools,
        allowed_bash=parse_bash_patterns(bash),
        mcp_servers=frozenset(servers),
    )


def bash(command: object, **fields: object) -> Decision:
    return decide_tool("Bash", {"command": command, **fields}, policy())


@pytest.mark.parametrize("name", ["Read", "Edit", "Write", "Glob", "Grep"])
def test_listed_tools_are_allowed(name: str) -> None:
    assert decide_tool(name, {"file_path": "/etc/passwd"}, policy()).allowed


@pytest.mark.parametrize(
    "name",
    ["WebFetch", "Agent", "Task", "Skill", "read", "Read ", "", "*", "Bash(git *)", "NoSuch"],
)
def test_tools_that_are_not_listed_are_refused(name: str) -> None:
    decision = decide_tool(name, {"command": "git status"}, policy())
    assert not decision.allowed
    assert "Allowed: Read, Edit, Write, Glob, Grep, Bash" in decision.reason


def test_star_allows_every_built_in_tool_and_no_command() -> None:
    everything = policy(tools=("*",), bash=())
    assert decide_tool("WebFetch", {"url": "x"}, everything).allowed
    assert not decide_tool("Bash", {"command": "ls"}, everything).allowed
    assert not decide_tool("mcp__other__x", {}, everything).allowed


def test_an_empty_list_allows_no_built_in_tool() -> None:
    nothing = policy(tools=(), bash=("*",))
    assert "Allowed: none" in decide_tool("Read", {}, nothing).reason
    assert not decide_tool("Bash", {"command": "ls"}, nothing).allowed
    assert decide_tool("mcp__hyperhive__send", {}, nothing).allowed


def test_bash_needs_the_tool_and_the_command() -> None:
    assert bash("git status").allowed
    assert not bash("rm x").allowed
    without = policy(tools=("Read",))
    assert not decide_tool("Bash", {"command": "git status"}, without).allowed


@pytest.mark.parametrize("command", [None, 7, ["git", "status"], {"a": 1}, True])
def test_a_command_that_is_no_text_is_refused(command: object) -> None:
    assert "`command` of Bash must be a string" in bash(command).reason
    assert not bash(command).allowed


def test_a_missing_command_is_refused() -> None:
    assert not decide_tool("Bash", {}, policy()).allowed
    assert not decide_tool("Bash", {"Command": "git status"}, policy(bash=("*",))).allowed


def test_background_and_time_limit_do_not_matter() -> None:
    assert bash("git log", run_in_background=True, timeout=5, description="x").allowed
    assert not bash("rm x", run_in_background=True).allowed


@pytest.mark.parametrize("value", [True, 1, "true", "false", [0]])
def test_the_sandbox_may_not_be_switched_off(value: object) -> None:
    decision = bash("git status", dangerouslyDisableSandbox=value)
    assert not decision.allowed
    assert "leave out the field `dangerouslyDisableSandbox`" in decision.reason


def test_fields_that_say_no_are_harmless() -> None:
    assert bash("git status", dangerouslyDisableSandbox=False).allowed
    assert bash("git status", dangerouslyDisableSandbox=None).allowed


def test_fields_that_could_change_what_runs_are_refused() -> None:
    assert not bash("git status", machine="other").allowed
    assert not bash("git status", allowed_domains=["a"]).allowed


def test_the_other_tool_that_runs_commands_obeys_the_same_list() -> None:
    both = policy(tools=("Bash", "Monitor"))
    allowed = {"command": "git log", "description": "x", "timeout_ms": 1, "persistent": True}
    assert decide_tool("Monitor", allowed, both).allowed
    assert not decide_tool("Monitor", {"command": "rm x"}, both).allowed
    assert not decide_tool("Monitor", {"ws": {"url": "ws://x"}}, both).allowed
    assert not decide_tool("Monitor", {"command": "git log", "ws": {"url": "x"}}, both).allowed
    assert not decide_tool("Monitor", allowed, policy()).allowed


def test_unknown_tools_with_a_command_need_every_command_allowed() -> None:
    call = {"command": "git status"}
    assert not decide_tool("PowerShell", call, policy(tools=("*",))).allowed
    assert decide_tool("PowerShell", call, policy(tools=("*",), bash=("*",))).allowed


@pytest.mark.parametrize(
    "name",
    [
        "mcp__hyperhive__send",
        "mcp__code-search__find",
        "mcp__hyperhive__a__b",
        "mcp__hyperhive___x",
    ],
)
def test_tools_of_allowed_servers(name: str) -> None:
    assert decide_tool(name, {"command": "rm x"}, policy()).allowed


@pytest.mark.parametrize(
    "name",
    [
        *("mcp__other__send", "mcp__hyperhive", "mcp__hyperhive__", "mcp__", "mcp____send"),
        *("mcp__hyperhive_send", "mcp__hyperhive2__send", "mcp__Hyperhive__send"),
        *("mcp__hyper__hive__send", "mcp__ hyperhive__send", "mcp_hyperhive__send"),
        *("MCP__hyperhive__send", "mcp__*__send", "mcp__code-search2__x", "mcp__code_search__x"),
    ],
)
def test_tools_of_other_servers(name: str) -> None:
    assert not decide_tool(name, {}, policy()).allowed


def test_listing_an_mcp_tool_as_built_in_does_not_help() -> None:
    assert not decide_tool("mcp__other__x", {}, policy(tools=("mcp__other__x", "*"))).allowed


@pytest.mark.parametrize("name", ["a__b", "_a", "a_", "", "*", "a b", "a.b", "é", "a\n"])
def test_server_names_that_would_be_ambiguous_are_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="mcp_servers"):
        policy(servers=(name,))


def test_reasons_are_short_and_printable() -> None:
    long = "x\n\u202e" * 5_000
    many = policy(tools=(*(f"Tool{n}" for n in range(1_000)), "Bash"))
    calls: list[tuple[str, dict[str, object], ToolPolicy]] = [
        (long, {}, many),
        (f"mcp__{long}__x", {}, many),
        ("Bash", {"command": "git x", long: True}, many),
        ("Bash", {"command": long}, many),
        (long, {"command": "x"}, policy(tools=("*",))),
    ]
    for name, call, rules in calls:
        decision = decide_tool(name, call, rules)
        assert not decision.allowed
        assert decision.reason.isprintable()
        assert len(decision.reason) < 1_500
