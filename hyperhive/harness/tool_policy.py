"""Decides on every use of a tool that Claude Code asks for: built-in, shell or MCP."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperhive.harness.bash_policy import Decision, decide
from hyperhive.harness.startup_files import runs_later
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.patterns import BashPattern

Policy = Callable[[str, Mapping[str, object]], Decision]
"""Decides on a tool's name and input, from the event loop. If it raises, the tool is refused."""

_SHELL_TOOLS = {
    "Bash": frozenset({"command", "description", "timeout", "run_in_background"}),
    "Monitor": frozenset({"command", "description", "timeout_ms", "persistent"}),
}
"""Tools that run `command` in Bash, and the fields that do not change what is run or how."""

_READERS = ("Read", "Glob", "Grep")

# Without a double or outer underscore, the first `__` after the name ends it.
_SERVER_NAME = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """What one agent may use: `("*",)` as `allowed_tools` means all built-in tools, `()` none."""

    allowed_tools: tuple[str, ...]
    allowed_bash: tuple[BashPattern, ...]
    mcp_servers: frozenset[str]
    home: Path = Path("/home/agent")
    workspace: Path = Path("/workspace")

    def __post_init__(self) -> None:
        for name in self.mcp_servers:
            if not _SERVER_NAME.fullmatch(name):
                raise InvalidField(
                    "mcp_servers", f"{name!r} must be letters, digits, single - or _"
                )


def decide_tool(name: str, tool_input: Mapping[str, object], policy: ToolPolicy) -> Decision:
    """Allows what the policy lists; anything else, known or not, is refused with the reason."""
    if name.startswith("mcp__"):
        return _decide_mcp(name, policy)
    if name not in policy.allowed_tools and "*" not in policy.allowed_tools:
        listed = ", ".join(policy.allowed_tools)[:600] or "none"
        return Decision(
            False, f"Refused: the tool {_short(name)} is not allowed. Allowed: {listed}."
        )
    if name in _SHELL_TOOLS:
        return _decide_shell(name, tool_input, policy)
    if "command" in tool_input and not any(p.allows_everything for p in policy.allowed_bash):
        return Decision(
            False, f"Refused: commands may be run by Bash only, not by the tool {_short(name)}."
        )
    return _decide_file(name, tool_input, policy)


def _decide_file(name: str, tool_input: Mapping[str, object], policy: ToolPolicy) -> Decision:
    """Files may be written anywhere but where that would be a way round the list of commands."""
    if name not in _READERS and not any(p.allows_everything for p in policy.allowed_bash):
        for field in ("file_path", "notebook_path", "path"):
            path = tool_input.get(field)
            if isinstance(path, str) and runs_later(path, policy.home, policy.workspace):
                return Decision(
                    False, f"Refused: what stands in {_short(path)} would run with the next shell."
                )
    return Decision(True, "the tool is allowed")


def _decide_mcp(name: str, policy: ToolPolicy) -> Decision:
    server, separator, tool = name.removeprefix("mcp__").partition("__")
    if separator and tool and server in policy.mcp_servers:
        return Decision(True, "the tool's server is allowed")
    return Decision(False, f"Refused: {_short(name)} is not a tool of an allowed MCP server.")


def _decide_shell(name: str, tool_input: Mapping[str, object], policy: ToolPolicy) -> Decision:
    command = tool_input.get("command")
    if not isinstance(command, str):
        return Decision(False, f"Refused: the field `command` of {name} must be a string.")
    for field, value in tool_input.items():
        if value and field not in _SHELL_TOOLS[name]:
            return Decision(
                False,
                f"Refused: leave out the field `{_short(field)}` of {name}, it is not allowed.",
            )
    return decide(command, policy.allowed_bash)


def _short(name: str) -> str:
    return ascii(name[:100])[1:-1]
