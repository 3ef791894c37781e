"""Which agents there are, and orders about them as rows."""

from typing import Any

import pytest

from hyperhive.hive.policy import AgentPolicy
from hyperhive.hive.records import Budget, Hold, Operation
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Conflict, Forbidden, InvalidField, NotFound
from tests.hive.world import BIG, MANAGER, WORKER, World, policy


async def orders(world: World) -> list[tuple[str, str, str]]:
    """Open operations, oldest first: kind, agent, actor."""
    return [(o.kind, o.agent, o.actor) for o in await world.read(lambda tx: tx.operations.open())]


async def declared(world: World, **agents: AgentPolicy) -> None:
    """The service starts anew with these agents besides the manager."""
    await world.again(policy(declared={"manager": MANAGER, **agents}))


# --- the configuration's agents ---


async def test_declared_agents_appear(world: World) -> None:
    agents = await world.read(lambda tx: tx.agents.all())
    assert [(a.name, a.role, a.origin, a.wanted) for a in agents] == [
        ("manager", "manager", "declared", "running"),
        ("alice", "worker", "declared", "running"),
        ("bob", "worker", "declared", "running"),
    ]
    assert agents[0].capabilities == ("manage",)


async def test_an_unchanged_declaration_changes_nothing(world: World) -> None:
    before = await world.read(lambda tx: tx.agents.all())
    events = len(await world.events())
    await world.again()
    assert await world.read(lambda tx: tx.agents.all()) == before
    assert len(await world.events()) == events


async def test_a_changed_declaration_applies_as_a_new_version(world: World) -> None:
    before = await world.agent("alice")
    changed = AgentPolicy(
        capabilities=("manage",),
        settings=AgentSettings(model="small"),
        budget=Budget(usd_per_day=1),
        description="cooks",
    )
    await declared(world, alice=changed, bob=WORKER)
    agent = await world.agent("alice")
    assert agent.id == before.id
    assert (agent.capabilities, agent.description) == (("manage",), "cooks")
    assert (agent.settings.model, agent.budget) == ("small", Budget(usd_per_day=1))
    assert agent.settings_version == before.settings_version + 1
    (event,) = [e for e in await world.events("agent") if "settings" in e.data]
    assert (event.agent, event.data["settings"]) == ("alice", agent.settings_version)


async def test_what_the_operator_wants_outlives_the_configuration(world: World) -> None:
    await world.hive.agents.kill("alice")
    await world.hive.agents.set_model("alice", "small")
    await world.again()
    agent = await world.agent("alice")
    assert (agent.wanted, agent.model_override) == ("stopped", "small")


async def test_an_undeclared_agent_is_stopped_and_kept(world: World) -> None:
    await declared(world, alice=WORKER)
    agent = await world.agent("bob")
    assert (agent.state, agent.wanted) == ("tombstone", "stopped")
    assert await orders(world) == [("destroy", "bob", "configuration")]
    await declared(world, alice=WORKER)
    assert len(await orders(world)) == 1
    assert await world.audit() == [("configuration", "agent.destroy", "bob")]


async def test_an_agent_declared_again_comes_back_as_the_same(world: World) -> None:
    before = await world.agent("bob")
    await declared(world, alice=WORKER)
    await declared(world, alice=WORKER, bob=WORKER)
    agent = await world.agent("bob")
    assert (agent.id, agent.state, agent.wanted) == (before.id, "present", "running")


async def test_a_spawned_agent_may_be_declared(world: World) -> None:
    spawned = await world.hive.agents.spawn("carol")
    await declared(world, alice=WORKER, bob=WORKER, carol=AgentPolicy(description="sings"))
    agent = await world.agent("carol")
    assert (agent.id, agent.origin, agent.description) == (spawned.id, "declared", "sings")


async def test_spawned_agents_are_not_the_configurations_business(world: World) -> None:
    await world.hive.agents.spawn("carol")
    await world.again()
    assert (await world.agent("carol")).state == "present"


async def test_who_is_not_started_by_itself_is_wanted_stopped(world: World) -> None:
    await declared(world, alice=WORKER, bob=WORKER, carol=AgentPolicy(auto_start=False))
    assert (await world.agent("carol")).wanted == "stopped"


# --- spawning ---


async def test_the_operator_spawns_directly(world: World) -> None:
    agent = await world.hive.agents.spawn("carol", "sings")
    assert (agent.origin, agent.role, agent.description) == ("spawned", "worker", "sings")
    assert await orders(world) == [("spawn", "carol", "operator")]
    assert await world.audit() == [("operator", "agent.spawn", "carol")]


async def test_a_key_spawns_once(world: World) -> None:
    first = await world.hive.agents.spawn("carol", key="k")
    assert await world.hive.agents.spawn("carol", key="k") == first
    with pytest.raises(Conflict, match="another request"):
        await world.hive.agents.spawn("dave", key="k")
    assert len(await orders(world)) == 1


@pytest.mark.parametrize(
    ("name", "error", "problem"),
    [
        ("alice", Conflict, "'alice' is the name of an agent"),
        ("bob", Conflict, "'bob' is the name of a destroyed agent; revive it, or purge it"),
        ("manager", InvalidField, "the manager's"),
    ],
)
async def test_a_taken_name_is_refused(
    world: World, name: str, error: type[Exception], problem: str
) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    with pytest.raises(error, match=problem):
        await world.hive.agents.spawn(name)


# --- orders ---


@pytest.mark.parametrize(
    ("verb", "kind", "wanted"),
    [("start", "start", "running"), ("kill", "stop", "stopped"), ("restart", "restart", "running")],
)
async def test_an_order_is_a_row_before_anything_is_done(
    world: World, verb: str, kind: str, wanted: str
) -> None:
    operation: Operation = await getattr(world.hive.agents, verb)("bob", "manager")
    assert (operation.kind, operation.state, operation.invocation) == (kind, "open", None)
    assert (await world.agent("bob")).wanted == wanted
    assert await orders(world) == [(kind, "bob", "manager")]
    assert await world.audit() == [("manager", f"agent.{kind}", "bob")]
    event = (await world.events("agent"))[-1]
    assert (event.agent, event.data) == ("bob", {"wanted": wanted, "operation": kind})


@pytest.mark.parametrize("verb", ["start", "restart"])
async def test_who_has_looked_lifts_quarantine_and_hold(world: World, verb: str) -> None:
    await world.save("bob", quarantined="why", hold=Hold("budget"), wanted="stopped")
    await getattr(world.hive.agents, verb)("bob")
    agent = await world.agent("bob")
    assert (agent.quarantined, agent.hold, agent.wanted) == (None, None, "running")


async def test_a_kill_lifts_nothing(world: World) -> None:
    await world.save("bob", quarantined="why", hold=Hold("budget"))
    await world.hive.agents.kill("bob")
    agent = await world.agent("bob")
    assert (agent.quarantined, agent.hold) == ("why", Hold("budget"))


@pytest.mark.parametrize("verb", ["start", "kill", "restart"])
async def test_nobody_orders_itself(world: World, verb: str) -> None:
    with pytest.raises(Forbidden):
        await getattr(world.hive.agents, verb)("manager", "manager")
    assert await orders(world) == []


@pytest.mark.parametrize("verb", ["start", "kill", "restart"])
async def test_an_unknown_agent_is_told_plainly_to_the_operator_alone(
    world: World, verb: str
) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    for name in ("nobody", "bob"):
        with pytest.raises(NotFound, match=name):
            await getattr(world.hive.agents, verb)(name)
        with pytest.raises(Forbidden) as refusal:
            await getattr(world.hive.agents, verb)(name, "manager")
        assert refusal.value.message == Forbidden().message


# --- the end ---


@pytest.mark.parametrize(("purge", "state"), [(False, "tombstone"), (True, "purging")])
async def test_a_destroyed_agent_keeps_its_name_until_it_is_gone(
    world: World, purge: bool, state: str
) -> None:
    operation = await world.hive.agents.destroy("bob", purge)
    assert (operation.kind, operation.purge) == ("destroy", purge)
    agent = await world.agent("bob")
    assert (agent.state, agent.wanted) == (state, "stopped")
    with pytest.raises(Conflict):
        await world.hive.agents.spawn("bob")
    action = "agent.purge" if purge else "agent.destroy"
    assert await world.audit() == [("operator", action, "bob")]


async def test_the_manager_cannot_be_destroyed(world: World) -> None:
    for purge in (False, True):
        with pytest.raises(InvalidField, match="manager"):
            await world.hive.agents.destroy("manager", purge)
    assert (await world.agent("manager")).state == "present"


async def test_a_tombstone_is_destroyed_once_and_may_be_purged(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    with pytest.raises(Conflict, match="purge it"):
        await world.hive.agents.destroy("bob", purge=False)
    await world.hive.agents.destroy("bob", purge=True)
    assert (await world.agent("bob")).state == "purging"


@pytest.mark.parametrize("purge", [False, True])
async def test_what_is_being_purged_is_not_ordered_again(world: World, purge: bool) -> None:
    await world.hive.agents.destroy("bob", purge=True)
    with pytest.raises(Conflict, match="being purged already"):
        await world.hive.agents.destroy("bob", purge)
    assert len(await orders(world)) == 1
    with pytest.raises(NotFound):
        await world.hive.agents.destroy("nobody", purge)


# --- the model ---


async def test_an_override_is_in_force_until_it_is_taken_back(world: World) -> None:
    agent: Any = await world.hive.agents.set_model("bob", "small")
    assert world.hive.policy.effective_model(agent).id == "claude-small-1"
    agent = await world.hive.agents.set_model("bob", None)
    assert world.hive.policy.effective_model(agent).id == BIG
    assert [subject for _, action, subject in await world.audit()] == ["bob", "bob"]


async def test_an_unknown_model_is_refused_with_the_known_ones(world: World) -> None:
    with pytest.raises(InvalidField, match="known are big, other, small"):
        await world.hive.agents.set_model("bob", "huge")
    with pytest.raises(NotFound):
        await world.hive.agents.set_model("nobody", "big")
    assert (await world.agent("bob")).model_override is None
