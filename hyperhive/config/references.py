"""What options say about each other."""

from __future__ import annotations

from itertools import permutations
from pathlib import PurePath

from hyperhive.config.options import AgentConfig, Config, DashboardConfig
from hyperhive.config.values import EVERYWHERE, LOOPBACK
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.model import MANAGER


def check_references(config: Config) -> None:
    """Raises InvalidField."""
    _check_directories(config)
    _check_dashboard(config.dashboard)
    _check_models(config)
    _check_bundles(config)
    if MANAGER in config.agents:
        raise InvalidField(f"agents.{MANAGER}", "the manager is configured under `manager`")
    for where, agent in _groups(config).items():
        if agent.role == "manager" and where != "manager":
            raise InvalidField(f"{where}.role", "there is one manager, under `manager`")


def _check_bundles(config: Config) -> None:
    """Where the containers' systems come from."""
    runtime = config.runtime
    if config.nix is not None:
        if runtime.kind != "nspawn":
            raise InvalidField("nix", "only the runtime `nspawn` starts what is built")
        return
    if runtime.kind == "nspawn" and runtime.default_bundle is None:
        raise InvalidField("runtime.defaultBundle", "is missing: `nspawn` starts agents from one")
    for where, agent in _groups(config).items():
        if agent.module is not None:
            raise InvalidField(f"{where}.module", "nothing builds it: `nix` is missing")
        if agent.self_propose:
            raise InvalidField(
                f"{where}.selfPropose", "nothing builds what it proposes: `nix` is missing"
            )


def _groups(config: Config) -> dict[str, AgentConfig]:
    """Every group of agent options by where it stands."""
    declared = {f"agents.{name}": agent for name, agent in config.agents.items()}
    return {"manager": config.manager, "agentDefaults": config.agent_defaults, **declared}


def _check_directories(config: Config) -> None:
    """Each has its own owner and mode, which would close another one in it."""
    paths = {
        "stateDir": PurePath(config.state_dir),
        "runDir": PurePath(config.run_dir),
        "agentsDir": PurePath(config.agents_dir),
    }
    for (where, path), (other, above) in permutations(paths.items(), 2):
        if path.is_relative_to(above):
            raise InvalidField(where, f"must not be in {other}")


def _check_dashboard(dashboard: DashboardConfig) -> None:
    if not dashboard.allowed_hosts and dashboard.host not in (*LOOPBACK, *EVERYWHERE):
        raise InvalidField(
            "dashboard.allowedHosts", "is missing: the address as it stands in browsers"
        )


def _check_models(config: Config) -> None:
    """Each name is of one model: its price is what budgets are counted by."""
    named = {alias: alias for alias in config.models}
    for alias, model in config.models.items():
        other = named.setdefault(model.id, alias)
        if other != alias:
            raise InvalidField(f"models.{alias}.id", f"{model.id!r} is a name of {other!r} already")
    references = {"defaultModel": config.default_model, "helperModel": config.helper_model}
    for where, agent in _groups(config).items():
        references[f"{where}.settings.model"] = agent.settings.model
        references[f"{where}.settings.fallbackModel"] = agent.settings.fallback_model
    for where, name in references.items():
        if name is not None and name not in named:
            known = ", ".join(sorted(config.models))
            raise InvalidField(where, f"{name!r} is not in models; known are {known}")
