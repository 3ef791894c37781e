"""Every option of the configuration file; docs/configuration.md describes them for people."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from hyperhive.config.values import Address, FilePath, Granted, Money, RunDir, Upstream
from hyperhive.protocol.bundle import AgentSettings, ModelName
from hyperhive.protocol.limits import Ceilings
from hyperhive.protocol.model import MANAGER, AgentName, Role
from hyperhive.protocol.schema import Items, Range, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesConfig:
    """US dollars per million tokens."""

    input: Money = 0.0
    output: Money = 0.0
    cache_read: Money = 0.0
    cache_write: Money = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    id: ModelName
    prices: PricesConfig = field(default_factory=PricesConfig)
    window: Annotated[int, Range(1_000, 100_000_000)] = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    usd_per_day: Money | None = None
    usd_per_turn: Money | None = None
    tokens_per_day: Annotated[int, Range(0, 10**12)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What the host grants one agent."""

    role: Role = "worker"
    capabilities: Annotated[tuple[Granted, ...], Items(max=10)] = ()
    self_propose: bool = False
    """With `nix`, whether it may ask you to change its own configuration."""
    auto_start: bool = True
    description: Annotated[str, Text(min=0, max=2_000)] = ""
    settings: AgentSettings = field(default_factory=AgentSettings)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    limits: Ceilings = field(default_factory=Ceilings)
    """Above which the agent's own settings do not count."""
    module: FilePath | None = None
    """With `nix`, what its container has: a NixOS module, or a directory with `agent.nix`."""
    apply: Literal["ask", "always"] = "ask"
    """With `nix`, whether a changed declaration waits for the operator's approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    host: Annotated[str, Text(max=255, pattern=r"[A-Za-z0-9.:-]+")] = "127.0.0.1"
    port: Annotated[int, Range(0, 65_535)] = 7000
    """0 chooses a free port."""
    allowed_hosts: Annotated[tuple[Address, ...], Items(max=50)] = ()
    """Further addresses under which browsers reach the dashboard."""
    token_file: FilePath | None = None


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
    kind: Literal["local", "nspawn"] = "local"
    """`nspawn`: containers, driven over D-Bus. `local`: plain processes, for a trial."""
    default_bundle: FilePath | None = None
    """With `nspawn`, what an agent is started from that no bundle was built for."""
    idle_release_seconds: Annotated[float, Range(1, 86_400)] = 300
    """After which an idle agent's Claude process is let go; it resumes with its session."""
    lease_seconds: Annotated[float, Range(1, 3_600)] = 60
    crash_limit: Annotated[int, Range(1, 1_000)] = 5
    crash_window_seconds: Annotated[float, Range(1, 86_400)] = 600
    restart_delay_seconds: Annotated[float, Range(0, 60)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NixConfig:
    """How agents are built; where it is absent they are not."""

    flake: FilePath
    """Directory with the `flake.nix` and `flake.lock` that agents' modules are built with."""
    offline: bool = True
    """Nothing is fetched: what is not in the Nix store already cannot be built with."""
    eval_seconds: Annotated[int, Range(1, 86_400)] = 300
    build_seconds: Annotated[int, Range(1, 604_800)] = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the service is told. Paths are absolute; secrets are files, never values."""

    state_dir: FilePath
    run_dir: RunDir
    agents_dir: FilePath
    """Where each agent's state, home and workspace are."""
    models: Annotated[dict[ModelName, ModelConfig], Items(min=1, max=100)]
    default_model: ModelName
    helper_model: ModelName | None = None
    credential_file: FilePath
    upstream: Upstream = "https://api.anthropic.com"
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    nix: NixConfig | None = None
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
