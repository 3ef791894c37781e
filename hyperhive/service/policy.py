"""Turns the configuration file into the operator's rules."""

from __future__ import annotations

from hyperhive.config import AgentConfig, Config
from hyperhive.hive.policy import (
    AgentPolicy,
    MailLimits,
    Model,
    Policy,
    Prices,
    RetentionLimits,
)
from hyperhive.hive.records import Budget
from hyperhive.protocol.model import MANAGER, Capability
from hyperhive.service.declared import declared_files


def policy_of(config: Config) -> Policy:
    """The rules of this configuration. Raises InvalidField where a module cannot be read."""
    models = {
        alias: Model(
            model.id,
            Prices(
                model.prices.input,
                model.prices.output,
                model.prices.cache_read,
                model.prices.cache_write,
            ),
            model.window,
        )
        for alias, model in config.models.items()
    }
    keep = config.retention
    return Policy(
        models=models,
        default_model=config.default_model,
        helper_model=config.helper_model,
        declared={
            name: _agent(config, agent, "manager" if name == MANAGER else f"agents.{name}")
            for name, agent in config.declared().items()
        },
        built=config.nix is not None,
        spawned=_agent(config, config.agent_defaults, "agentDefaults"),
        mail=MailLimits(config.mail.undelivered, config.mail.max_hops),
        retention=RetentionLimits(
            keep.message_days, keep.messages, keep.event_days, keep.events, keep.turn_log_days
        ),
        lease_seconds=config.runtime.lease_seconds,
        crash_limit=config.runtime.crash_limit,
        crash_window_seconds=config.runtime.crash_window_seconds,
        restart_delay_seconds=config.runtime.restart_delay_seconds,
    )


def _capabilities(agent: AgentConfig) -> tuple[Capability, ...]:
    granted: dict[Capability, bool] = {
        "manage": "manage" in agent.capabilities,
        "propose": agent.self_propose,
    }
    return tuple(name for name, is_granted in granted.items() if is_granted)


def _agent(config: Config, agent: AgentConfig, where: str) -> AgentPolicy:
    budget = agent.budget
    return AgentPolicy(
        agent.role,
        _capabilities(agent),
        agent.settings,
        Budget(budget.usd_per_day, budget.usd_per_turn, budget.tokens_per_day),
        agent.auto_start,
        agent.description,
        agent.limits,
        declared_files(agent, where) if config.nix is not None else {},
        agent.apply,
    )
