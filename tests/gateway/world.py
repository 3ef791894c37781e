"""What the gateway's tests stand on: real rules and a real store, real sockets, a stand-in API."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from hyperhive.gateway.egress import EgressProxy
from hyperhive.gateway.egress_addresses import Addresses
from hyperhive.gateway.limits import ConfigLimits, EgressLimits, Limits, ModelLimits
from hyperhive.gateway.model import ModelGateway
from hyperhive.gateway.sockets import Gateway
from hyperhive.hive import hive as rules
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.hive import Hive
from hyperhive.hive.policy import AgentPolicy, Model, Policy, Prices
from hyperhive.hive.records import Agent, Budget
from hyperhive.protocol.bundle import AgentSettings, Egress
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.gateway.client import Client
from tests.gateway.upstream import SECRET, StandIn
from tests.store.given import StepClock

BIG, SMALL, OTHER = "claude-big-1", "claude-small-1", "claude-other-1"


def policy(**agents: AgentPolicy) -> Policy:
    """A manager, alice and bob, unless said otherwise."""
    return Policy(
        models={
            "big": Model(BIG, Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)),
            "small": Model(SMALL),
            "other": Model(OTHER),
        },
        default_model="big",
        helper_model="small",
        declared={
            "manager": AgentPolicy(role="manager", capabilities=("manage",)),
            "alice": AgentPolicy(),
            "bob": AgentPolicy(),
            **agents,
        },
    )


def may_fetch(*words: str) -> AgentPolicy:
    return AgentPolicy(settings=AgentSettings(egress=Egress(model_side=words)))


def poor(**budget: float) -> AgentPolicy:
    return AgentPolicy(budget=Budget(**budget))  # type: ignore[arg-type]  # tokens are whole numbers


@dataclass
class World:
    """A running gateway; `allowed` are the uids that may be an agent, by name."""

    hive: Hive
    clock: StepClock
    database: Path
    directory: Path
    model: ModelGateway
    egress: EgressProxy
    gateway: Gateway
    upstream: StandIn
    allowed: dict[str, set[int]]
    logs: dict[str, list[str]] = field(default_factory=dict)

    def socket(self, name: str) -> Path:
        return self.directory / name / "hive.sock"

    def client(self, name: str) -> Client:
        return Client(self.socket(name))

    async def agent(self, name: str) -> Agent:
        agent = await self.hive.store.read(lambda tx: tx.agents.by_name(name))
        assert agent is not None
        return agent

    async def open_all(self) -> None:
        await self.gateway.__aenter__()
        try:
            for agent in await self.hive.store.read(lambda tx: tx.agents.all()):
                await self.gateway.open(agent)
        except BaseException:
            await self.gateway.__aexit__(None, None, None)
            raise

    def dump(self) -> list[str]:
        """Every stored row."""
        with closing(sqlite3.connect(self.database)) as connection:
            return [line for line in connection.iterdump() if line.startswith("INSERT")]


@asynccontextmanager
async def running(
    state: Path,
    sockets: Path,
    rules_of: Policy | None = None,
    limits: Limits | None = None,
    model_limits: ModelLimits | None = None,
    credential_kind: str = "api_key",
    upstream_url: str = "",
    addresses: Addresses | None = None,
    egress_limits: EgressLimits | None = None,
    workshop: tuple[Configs, Builds] | None = None,
    config_limits: ConfigLimits | None = None,
) -> AsyncIterator[World]:
    """A hive whose agents all have their sockets open; upstream is the stand-in if not given."""
    clock = StepClock()
    allowed: dict[str, set[int]] = {}
    logs: dict[str, list[str]] = {}

    async def tail(name: str, lines: int) -> Sequence[str]:
        return logs.get(name, [])[-lines:]

    def peer_allowed(name: str, uid: int) -> bool:
        return uid in allowed.get(name, {os.geteuid()})

    async with StandIn(credential_kind) as upstream:
        database = await Database.open(state / "hive.db", Tuning(reserve_bytes=2**20))
        try:
            hive = rules.build(database, clock, rules_of or policy(), credential_kind, workshop)
            await hive.recover()
            async with ModelGateway(
                hive, upstream_url or upstream.url, credential_kind, SECRET, model_limits
            ) as model:
                egress = EgressProxy(hive.egress, addresses, egress_limits)
                sides = tail, model, egress
                gateway = Gateway(hive, sockets, peer_allowed, *sides, limits, config_limits)
                path = state / "hive.db"
                world = World(
                    *(hive, clock, path, sockets, model, egress, gateway, upstream, allowed, logs)
                )
                await world.open_all()
                try:
                    yield world
                finally:
                    await world.gateway.__aexit__(None, None, None)
        finally:
            await database.close()
