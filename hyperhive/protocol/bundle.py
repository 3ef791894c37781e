"""`agent.json`: the settings of one agent, as rendered from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from hyperhive.protocol.hosts import entry_problem
from hyperhive.protocol.patterns import PatternError, parse_bash_pattern
from hyperhive.protocol.schema import Check, Items, Range, Text, camel, parse

MAX_AGENT_JSON = 64 * 1024
"""Bytes; the launcher refuses a larger file."""


def _bash_problem(pattern: str) -> str | None:
    try:
        parse_bash_pattern(pattern)
    except PatternError as error:
        return str(error)
    return None


def _server_problem(name: str) -> str | None:
    return "`hyperhive` is the name of the built-in server" if name == "hyperhive" else None


BashPattern = Annotated[str, Text(max=1_000), Check(_bash_problem)]
ToolName = Annotated[
    str,
    Text(
        max=100,
        pattern=r"\*|[A-Za-z][A-Za-z0-9_]*",
        problem="must be the name of a Claude Code tool, such as `Read`, or `*`",
    ),
]
RecipientPattern = Annotated[str, Text(max=20, pattern=r"\*|[a-z][a-z0-9-]*")]
ServerName = Annotated[
    str,
    Text(max=40, pattern=r"[a-z0-9]+([_-][a-z0-9]+)*", problem="must be a-z, 0-9, single - or _"),
    Check(_server_problem),
]
ModelName = Annotated[str, Text(max=100, pattern=r"[A-Za-z0-9][A-Za-z0-9._:@/\[\]-]*")]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """A further MCP server, started inside the agent's container over stdio."""

    command: Annotated[str, Text(max=1_000)]
    args: Annotated[tuple[Annotated[str, Text(min=0, max=4_000)], ...], Items(max=100)] = ()
    env: Annotated[
        dict[Annotated[str, Text(max=100)], Annotated[str, Text(min=0, max=4_000)]], Items(max=100)
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """What it may reach: `allow` through the proxy, `model_side` from the model's servers."""

    allow: Annotated[
        tuple[Annotated[str, Text(max=260), Check(entry_problem)], ...], Items(max=1_000)
    ] = ()
    model_side: Annotated[tuple[Annotated[str, Text(max=100)], ...], Items(max=50)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    compact_above: Annotated[int, Range(1_024, 2**31)] = 64 * 1024
    """Bytes of notes.md above which the agent is asked to shorten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    compact_at: Annotated[float, Range(0.1, 0.95)] = 0.75
    """Fraction of the model's window above which the session is compacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What it may use of the machine; None is the host's own limit, above which nothing counts."""

    memory_max: Annotated[int, Range(64 * 2**20, 2**50)] | None = None
    """Bytes, swap not included."""
    cpu_quota: Annotated[int, Range(1, 100_000)] | None = None
    """Percent of one CPU."""
    tasks_max: Annotated[int, Range(64, 2**22)] | None = None
    """Processes and threads."""
    io_weight: Annotated[int, Range(1, 10_000)] | None = None
    """Share of the disk's time beside others, whose default is 100."""
    disk_max: Annotated[int, Range(2**20, 2**60)] | None = None
    """Bytes of state, home and workspace together."""
    inodes_max: Annotated[int, Range(100, 2**40)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """The options an agent's own module may set. `()` means none, `("*",)` all."""

    model: ModelName | None = None
    fallback_model: ModelName | None = None
    allowed_bash: Annotated[tuple[BashPattern, ...], Items(max=1_000)] = ()
    allowed_tools: Annotated[tuple[ToolName, ...], Items(max=200)] = (
        "Read",
        "Edit",
        "Write",
        "Glob",
        "Grep",
        "Bash",
    )
    allowed_recipients: Annotated[tuple[RecipientPattern, ...], Items(max=1_000)] = ("*",)
    extra_mcp_servers: Annotated[dict[ServerName, McpServer], Items(max=32)] = field(
        default_factory=dict
    )
    egress: Egress = Egress()
    limits: Limits = Limits()
    notes: Notes = Notes()
    context: Context = Context()
    prompt: Annotated[str, Text(min=0, max_bytes=64 * 1024)] = ""
    health_timeout: Annotated[float, Range(1, 3_600)] = 120.0
    """Seconds until a deploy that has not come up healthy is rolled back."""


def parse_settings(data: object, where: str = "settings") -> AgentSettings:
    """Read the JSON form; raises InvalidField."""
    return parse(AgentSettings, data, where, camel_case=True)


def settings_json(settings: AgentSettings) -> dict[str, Any]:
    """The JSON form, every option spelled out."""
    rendered: dict[str, Any] = _camel_keys(asdict(settings))
    # Keys of these mappings are names, not options: they must not be respelled.
    rendered["extraMcpServers"] = {
        name: asdict(server) for name, server in settings.extra_mcp_servers.items()
    }
    return rendered


def _camel_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {camel(key): _camel_keys(item) for key, item in value.items()}
    return value
