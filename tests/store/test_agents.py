"""Rows of agents: what is saved comes back, names and their reuse, the cache."""

import sqlite3
from dataclasses import replace

import pytest

from hyperhive.hive.deploy_rows import Declared
from hyperhive.hive.records import Agent, Budget, Deadline, Hold, RunEnd
from hyperhive.protocol.bundle import AgentSettings, Egress, McpServer
from hyperhive.store.transaction import Rows, rows_of
from tests.store import given

EVERYTHING = AgentSettings(
    model="fast",
    allowed_bash=("git status", "ls *"),
    allowed_recipients=(),
    extra_mcp_servers={"some-server": McpServer(command="run", env={"A_KEY": "1"})},
    egress=Egress(allow=("example.org:443",)),
    prompt="Be brief. 🐝",
)


def test_what_was_added_comes_back(tx: Rows) -> None:
    budget = Budget(usd_per_day=1.5, tokens_per_day=10)
    added = tx.agents.add(
        *("alice", "manager", "declared", ("manage",), EVERYTHING, budget, "stopped", "d", 5.0)
    )
    assert tx.agents.get(added.id) == tx.agents.by_name("alice") == added
    assert (added.settings_version, added.state, added.budget) == (1, "present", budget)
    assert tx.agents.get(added.id + 1) is None
    assert tx.agents.by_name("alic") is None


def test_every_field_is_saved(tx: Rows) -> None:
    agent = given.agent(tx)
    changed = Agent(
        id=agent.id,
        name="bob",
        role="manager",
        origin="declared",
        capabilities=("manage",),
        settings=EVERYTHING,
        settings_version=7,
        budget=Budget(1.0, 2.0, 3),
        wanted="stopped",
        state="tombstone",
        created_at=1.5,
        description="does things",
        model_override="slow",
        hold=Hold("rate_limited", Deadline(1.0, "b", 2.0), "come back"),
        quarantined="crashed",
        retired_by="operator",
        last_end=RunEnd("oom", -9, 2.5, True),
        run="0123",
        problem="silent",
        crashes_from=9,
        bundle="/nix/store/x-agent-bob",
        deploy=4,
        declared=Declared({"agent.nix": "0a"}, {"agent.nix": "0b"}, "c" * 40),
    )
    tx.agents.save(changed)
    assert tx.agents.get(agent.id) == changed
    without = replace(
        changed, hold=Hold("credential"), model_override=None, quarantined=None, last_end=None
    )
    tx.agents.save(without)
    assert tx.agents.get(agent.id) == without


def test_a_name_is_free_again_once_its_agent_is_purged(tx: Rows) -> None:
    first = given.agent(tx, "alice")
    with pytest.raises(sqlite3.IntegrityError):
        given.agent(tx, "alice")
    tx.agents.save(replace(first, state="tombstone"))
    assert tx.agents.by_name("alice") == replace(first, state="tombstone")
    tx.agents.save(replace(first, state="purged"))
    assert tx.agents.by_name("alice") is None
    second = given.agent(tx, "alice")
    assert second.id > first.id
    assert tx.agents.all() == [second]


def test_the_manager_comes_first_then_the_names(tx: Rows) -> None:
    for name in ("carol", "alice", "zoe"):
        given.agent(tx, name)
    zoe = tx.agents.by_name("zoe")
    assert zoe
    tx.agents.save(replace(zoe, role="manager"))
    assert [agent.name for agent in tx.agents.all()] == ["zoe", "alice", "carol"]


def test_what_was_rolled_back_is_forgotten(connection: sqlite3.Connection) -> None:
    tx = rows_of(connection)
    agent = given.agent(tx)
    connection.execute("SAVEPOINT s")
    tx.agents.save(replace(agent, settings=EVERYTHING, settings_version=2))
    assert tx.agents.by_name("alice") == replace(agent, settings=EVERYTHING, settings_version=2)
    connection.execute("ROLLBACK TO s")
    assert tx.agents.by_name("alice") == agent
    other = replace(agent, settings=AgentSettings(prompt="other"), settings_version=2)
    tx.agents.save(other)
    assert tx.agents.by_name("alice") == other


def test_more_agents_than_the_cache_holds(tx: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperhive.store.agents.CACHED", 3)
    agent = given.agent(tx)
    for number in range(10):
        agent = replace(agent, settings=AgentSettings(prompt=f"p{number}"))
        tx.agents.save(agent)
        assert tx.agents.get(agent.id) == agent
