"""Which models, recipients and actions an agent may use, decided from the host's own facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

from hyperhive.hive.deploy_rows import Declared
from hyperhive.hive.records import Agent, Budget
from hyperhive.protocol.bundle import AgentSettings, Limits
from hyperhive.protocol.errors import Forbidden, InvalidField
from hyperhive.protocol.limits import Ceilings, effective
from hyperhive.protocol.link import LEASE_SECONDS
from hyperhive.protocol.model import EVERYONE, MANAGER, OPERATOR, Capability, Role


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """`id` is what goes over the wire; `window` is in tokens."""

    id: str
    prices: Prices = Prices()
    window: int = 200_000


@dataclass(frozen=True, slots=True)
class MailLimits:
    """Bounds of the broker."""

    undelivered: int = 1_000
    """Deliveries that may wait for one recipient; more are refused with `queue_full`."""
    max_hops: int = 200
    """Replies between agents without a word from outside; more are refused with `loop`."""
    open_questions: int = 100
    """Of one agent; more are refused with `queue_full`."""
    attempts: int = 5
    """Failed turns after which a message is a dead letter."""
    backoff_seconds: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0)


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """How long what is settled stays. Days and rows; whichever comes first."""

    message_days: float = 30.0
    messages: int = 100_000
    event_days: float = 30.0
    events: int = 1_000_000
    turn_log_days: float = 14.0


@dataclass(frozen=True, slots=True)
class AgentPolicy:
    """What the host grants one agent, whatever its own configuration says."""

    role: Role = "worker"
    capabilities: tuple[Capability, ...] = ()
    settings: AgentSettings = field(default_factory=AgentSettings)
    budget: Budget = field(default_factory=Budget)
    auto_start: bool = True
    description: str = ""
    ceilings: Limits = field(default_factory=Ceilings)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Its configuration as declared, by path, where agents are built."""
    apply: Literal["ask", "always"] = "ask"
    """Whether a change of `files` waits for the operator."""

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each of `files`, hexadecimal."""
        return {path: sha256(data).hexdigest() for path, data in self.files.items()}


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's rules for the whole swarm."""

    models: dict[str, Model]
    """Alias -> model; other names are refused."""
    default_model: str
    helper_model: str | None = None
    """Small model that Claude Code uses for chores; accepted besides the agent's own."""
    declared: dict[str, AgentPolicy] = field(default_factory=dict)
    built: bool = False
    """Whether agents are built from commits, which their settings are taken from then."""
    spawned: AgentPolicy = AgentPolicy()
    mail: MailLimits = MailLimits()
    retention: RetentionLimits = RetentionLimits()
    lease_seconds: float = LEASE_SECONDS
    crash_limit: int = 5
    """Crashes within `crash_window_seconds` after which an agent is no longer restarted."""
    crash_window_seconds: float = 600.0
    restart_delay_seconds: float = 1.0
    """Before the first restart; doubles with every crash in the window, to at most 60 s."""

    def find_model(self, name: str) -> Model | None:
        """By alias or by full id."""
        if name in self.models:
            return self.models[name]
        return next((m for m in self.models.values() if m.id == name), None)

    def check_model(self, name: str, field: str = "model") -> Model:
        """The model of this name; raises InvalidField that lists the known ones."""
        if model := self.find_model(name):
            return model
        known = ", ".join(sorted(self.models))
        raise InvalidField(field, f"{name!r} is not a known model; known are {known}")

    def check_settings(self, settings: AgentSettings) -> None:
        """What only the host knows of an agent's own settings. Raises InvalidField."""
        for where, name in (
            ("model", settings.model),
            ("fallbackModel", settings.fallback_model),
        ):
            if name is not None:
                self.check_model(name, where)

    def effective_model(self, agent: Agent) -> Model:
        """The operator's override, else the agent's setting, else the default."""
        for name in (agent.model_override, agent.settings.model):
            if name and (model := self.find_model(name)):
                return model
        return self.check_model(self.default_model, "defaultModel")

    def fallback_model(self, agent: Agent) -> Model | None:
        name = agent.settings.fallback_model
        return self.find_model(name) if name else None

    def spawned_with(self, commit: str) -> Declared:
        """How far a spawned agent follows the defaults whose first commit has all of them."""
        digests = self.spawned.digests
        return Declared(digests, digests, commit)

    def limits(self, agent: Agent) -> Limits:
        """What it may use of the machine: its settings, held below the host's ceilings."""
        granted = self.declared.get(agent.name, self.spawned)
        return effective(agent.settings.limits, granted.ceilings)

    def accepted_models(self, agent: Agent) -> tuple[str, ...]:
        """Ids of every model the agent may use now, the effective one first."""
        models = [self.effective_model(agent), self.fallback_model(agent)]
        if self.helper_model:
            models.append(self.find_model(self.helper_model))
        return tuple(dict.fromkeys(m.id for m in models if m))


def as_declared(agent: Agent, policy: AgentPolicy, *, built: bool) -> Agent:
    """The agent as its declaration says; as a new version if that is news.

    Where agents are `built`, their settings come with a deploy.
    """
    changed = replace(
        agent,
        origin="declared",
        role=policy.role,
        capabilities=policy.capabilities,
        settings=agent.settings if built else policy.settings,
        budget=policy.budget,
        description=policy.description,
    )
    if changed == agent:
        return agent
    return replace(changed, settings_version=agent.settings_version + 1)


def may_write(agent: Agent, recipient: str) -> bool:
    """Manager and operator can always be written to."""
    if recipient in (MANAGER, OPERATOR):
        return True
    allowed = agent.settings.allowed_recipients
    return EVERYONE in allowed or recipient in allowed


def require(agent: Agent | None, *capabilities: Capability) -> Agent:
    """The agent, if it exists and has one of the capabilities, where any is asked for.

    Else raises Forbidden.
    """
    if agent is None or agent.state != "present":
        raise Forbidden
    if capabilities and not set(capabilities) & set(agent.capabilities):
        raise Forbidden
    return agent
