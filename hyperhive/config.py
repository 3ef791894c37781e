"""The service's configuration file: YAML, read once, checked whole, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from hyperhive import strict_yaml
from hyperhive.protocol.bundle import AgentSettings, ModelName
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.model import MANAGER, AgentName, Capability, Role
from hyperhive.protocol.schema import Check, Items, Range, Text, parse

MAX_CONFIG = 1024 * 1024
"""Bytes."""

_Money = Annotated[float, Range(0, 1_000_000)]
_FilePath = Annotated[str, Text(max=4_000)]


def _absolute_problem(value: str) -> str | None:
    return None if value.startswith("/") else "must be an absolute path"


_AbsolutePath = Annotated[str, Text(max=4_000), Check(_absolute_problem)]


def _upstream_problem(value: str) -> str | None:
    if value.startswith(("https://", "http://127.0.0.1:", "http://localhost:", "unix:/")):
        return None
    return "must begin with https://, or for tests with http://127.0.0.1:PORT or unix:/PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesConfig:
    """US dollars per million tokens."""

    input: _Money = 0.0
    output: _Money = 0.0
    cache_read: _Money = 0.0
    cache_write: _Money = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    id: ModelName
    prices: PricesConfig = field(default_factory=PricesConfig)
    window: Annotated[int, Range(1_000, 100_000_000)] = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    usd_per_day: _Money | None = None
    usd_per_turn: _Money | None = None
    tokens_per_day: Annotated[int, Range(0, 10**12)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What the host grants one agent."""

    role: Role = "worker"
    capabilities: Annotated[tuple[Capability, ...], Items(max=10)] = ()
    auto_start: bool = True
    description: Annotated[str, Text(min=0, max=2_000)] = ""
    settings: AgentSettings = field(default_factory=AgentSettings)
    budget: BudgetConfig = field(default_factory=BudgetConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    host: Annotated[str, Text(max=255)] = "127.0.0.1"
    port: Annotated[int, Range(0, 65_535)] = 7000
    """0 chooses a free port."""
    allowed_hosts: Annotated[tuple[Annotated[str, Text(max=300)], ...], Items(max=50)] = ()
    """Further `host` or `host:port` under which browsers reach the dashboard."""
    token_file: _AbsolutePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    undelivered: Annotated[int, Range(1, 1_000_000)] = 1_000
    max_hops: Annotated[int, Range(1, 1_000_000)] = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Of each agent's socket."""

    requests_per_second: Annotated[float, Range(1, 1_000_000)] = 1_000
    burst: Annotated[int, Range(1, 1_000_000)] = 2_000
    connections: Annotated[int, Range(1, 10_000)] = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    message_days: Annotated[float, Range(0, 36_500)] = 30
    messages: Annotated[int, Range(0, 10**9)] = 100_000
    event_days: Annotated[float, Range(0, 36_500)] = 30
    events: Annotated[int, Range(1_000, 10**9)] = 1_000_000
    turn_log_days: Annotated[float, Range(0, 36_500)] = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    kind: Literal["local"] = "local"
    idle_release_seconds: Annotated[float, Range(1, 86_400)] = 300
    """After which an idle agent's Claude process is let go; it resumes with its session."""
    lease_seconds: Annotated[float, Range(1, 3_600)] = 60
    crash_limit: Annotated[int, Range(1, 1_000)] = 5
    crash_window_seconds: Annotated[float, Range(1, 86_400)] = 600
    restart_delay_seconds: Annotated[float, Range(0, 60)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the service is told. Paths are absolute; secrets are files, never values."""

    state_dir: _AbsolutePath
    run_dir: _AbsolutePath
    agents_dir: _AbsolutePath
    """Where each agent's state, home and workspace are."""
    models: Annotated[dict[Annotated[str, Text(max=40)], ModelConfig], Items(min=1, max=100)]
    default_model: Annotated[str, Text(max=100)]
    helper_model: Annotated[str, Text(max=100)] | None = None
    credential_file: _AbsolutePath | None = None
    upstream: Annotated[str, Text(max=1_000), Check(_upstream_problem)] = (
        "https://api.anthropic.com"
    )
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    manager: AgentConfig = field(default_factory=AgentConfig)
    agents: Annotated[dict[AgentName, AgentConfig], Items(max=500)] = field(default_factory=dict)
    agent_defaults: AgentConfig = field(default_factory=AgentConfig)
    strict_versions: bool = False

    def declared(self) -> dict[str, AgentConfig]:
        """The manager and the declared agents by name."""
        manager = replace(self.manager, role="manager", capabilities=("manage",))
        return {MANAGER: manager, **self.agents}


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises InvalidField naming file and field, or, where the YAML itself is at fault, InvalidFrame
    with line and column, or TooLarge.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
    except OSError as error:
        raise InvalidField(str(path), f"cannot be read: {error.strerror}") from None
    document = strict_yaml.loads(data, str(path), MAX_CONFIG)
    try:
        return read(document)
    except InvalidField as error:
        where = f"{path}: {error.field}" if error.field else str(path)
        raise InvalidField(where, error.problem) from None


def read(document: object) -> Config:
    """Check plain data; raises InvalidField."""
    if not isinstance(document, Mapping):
        raise InvalidField("", "must be a mapping of options to values")
    config = parse(Config, document, camel_case=True)
    _check_names(config)
    return config


def _check_names(config: Config) -> None:
    """Names that refer to each other: models and agents."""
    ids = {model.id for model in config.models.values()}
    known = set(config.models) | ids

    def check(name: str | None, field: str) -> None:
        if name is not None and name not in known:
            raise InvalidField(
                field, f"{name!r} is not in models; known are {', '.join(sorted(config.models))}"
            )

    check(config.default_model, "defaultModel")
    check(config.helper_model, "helperModel")
    if MANAGER in config.agents:
        raise InvalidField(f"agents.{MANAGER}", "the manager is configured under `manager`")
    groups = {"manager": config.manager, "agentDefaults": config.agent_defaults}
    groups |= {f"agents.{name}": agent for name, agent in config.agents.items()}
    for where, agent in groups.items():
        check(agent.settings.model, f"{where}.settings.model")
        check(agent.settings.fallback_model, f"{where}.settings.fallbackModel")
        if agent.role == "manager" and where != "manager":
            raise InvalidField(f"{where}.role", "there is one manager, under `manager`")
