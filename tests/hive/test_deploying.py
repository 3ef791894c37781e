"""Agents that are built, in the rest of their life: started, declared, removed, and read about."""

from dataclasses import replace

import pytest

from hyperhive.hive.policy import AgentPolicy
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Unavailable
from tests.hive.building import SECONDS, Built, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import anew, bundle, first
from tests.hive.world import World, policy
from tests.support.wait import wait_for

DEFAULTS = AgentSettings(prompt="of the host's configuration")


async def test_where_agents_are_not_built_there_are_no_deploys(world: World) -> None:
    with pytest.raises(Unavailable, match="the configuration has no `nix`"):
        world.hive.need_deploying()
    agent = await world.agent("alice")
    shown = await world.read(lambda tx: world.hive.views.agent_details(tx, agent))
    assert (shown["built"], shown["needs_update"], shown["deploying"]) == (False, False, None)
    assert (shown["deploy"], shown["deploys"]) == (None, [])


async def test_a_start_after_a_stop_is_from_what_was_deployed(built: Built) -> None:
    deploy = await first(built)
    async with built.serving():
        await built.becomes("idle")
        await built.hive.agents.kill("alice")
        await built.becomes("stopped")
        await built.hive.agents.start("alice")
        await built.becomes("idle")
        built.runtime.end("alice")
        await wait_for(lambda: "alice-3" in built.runtime.bundles, SECONDS)
    assert set(built.runtime.bundles.values()) == {bundle(deploy)}


async def test_agents_that_ran_from_one_bundle_for_all_are_built_first(built: Built) -> None:
    """As after `nix` was added to the configuration."""
    from_default = built.workshop
    built.workshop = None
    await built.again(policy(declared=quiet(alice=AgentPolicy())))
    async with built.serving():
        await wait_for(lambda: "alice" in built.runtime.runs, SECONDS)
    built.workshop = from_default
    await built.again(policy(built=True, declared=quiet(alice=declared())))
    async with built.serving():
        deploy = await built.over()
        assert deploy.state == "done"
        await built.becomes("idle")
        assert await built.bundle() == bundle(deploy)
    assert "manager" not in built.runtime.runs  # which has nothing to be built from


async def test_a_declared_agent_keeps_the_settings_it_was_built_with(make_built: MakeBuilt) -> None:
    of = AgentPolicy(settings=DEFAULTS)
    built = await make_built(declared=quiet(alice=declared(of=of, settings={"prompt": "sing"})))
    assert (await built.agent("alice")).settings == DEFAULTS
    await first(built)
    other = replace(of, settings=replace(DEFAULTS, model="small"), description="sings")
    await built.redeclare(alice=declared(of=other, settings={"prompt": "sing"}))
    agent = await built.agent("alice")
    assert (agent.settings.prompt, agent.settings.model) == ("sing", None)
    assert agent.description == "sings"
    await built.hive.agents.destroy("alice", purge=False)
    async with built.serving():
        await built.hear("manager", "destroyed")
        await built.hive.agents.revive("alice")
        await built.becomes("idle")
    assert (await built.agent("alice")).settings.prompt == "sing"


async def test_a_declaration_that_is_taken_out_and_back(built: Built) -> None:
    deploy = await first(built)
    await built.redeclare(alice=declared("two"))
    async with built.serving():
        await wait_for(lambda: built.read(lambda tx: tx.approvals.open()), SECONDS, "a proposal")
    await built.again(policy(built=True, declared=quiet()))
    async with built.serving():
        await built.hear("manager", "destroyed")
    agent = await built.agent("alice")
    assert (agent.state, agent.bundle, agent.deploy) == ("tombstone", bundle(deploy), deploy.id)
    assert [a.state for a in await built.read(lambda tx: tx.approvals.recent(9))] == ["expired"]
    assert await built.main() == deploy.commit  # nothing of it is wiped
    await built.again(policy(built=True, declared=quiet(alice=declared("two"))))
    async with built.serving():
        await built.becomes("idle")
        assert await built.bundle() == bundle(deploy)  # as it ran before
        await wait_for(lambda: built.read(lambda tx: tx.approvals.open()), SECONDS, "it again")
    assert await built.kinds() == ["declare done"]


@pytest.mark.parametrize("kind", ["declare", "update"])
async def test_what_waits_when_its_declaration_goes_is_given_up(built: Built, kind: str) -> None:
    if kind == "update":
        await first(built)
        await built.hive.need_deploying().deploys.update("alice")
    else:
        await built.redeclare(alice=declared())

        async def step(_: str) -> None:
            await built.hive.agents.destroy("alice", purge=False)

        built.builds.step = step
    if kind == "update":
        await built.again(policy(built=True, declared=quiet()))
    async with built.serving():
        over = await built.over(1 if kind == "update" else 0)
    assert (over.state, over.error) == ("cancelled", "the agent was removed")


async def test_a_purge_leaves_nothing_of_what_was_built(built: Built) -> None:
    await first(built)
    await built.hive.agents.destroy("alice", purge=True)
    async with built.serving():
        await built.hear("manager", "destroyed")
        assert not await built.git.exists("alice")
        assert built.builds.kept == {}
        await built.hive.agents.spawn("alice")
        deploy = await built.over(1)
        assert (deploy.state, deploy.previous) == ("done", None)
        shown = await built.becomes("idle")
    assert [d["id"] for d in shown["deploys"]] == [deploy.id]
    assert len(await built.git.log("alice", 10)) == 1


async def test_a_crash_says_nothing_against_what_is_deployed_next(built: Built) -> None:
    await first(built)
    await built.redeclare(alice=anew("two"))
    built.rules_of = replace(built.rules_of, crash_limit=2)
    await built.again()
    async with built.alive():
        await wait_for(lambda: "alice" in built.runtime.runs, SECONDS)
        await built.reached("starting", 1)
        await wait_for(lambda: "alice-2" in built.runtime.bundles, SECONDS)
        built.runtime.end("alice")  # the one that is tried
        failed = await built.over(1)
        assert failed.state == "rolled_back"
        await wait_for(lambda: built.runtime.runs.get("alice") is not None, SECONDS)
    await built.again()
    async with built.serving():
        await built.becomes("idle")
        built.runtime.end("alice")  # the first crash of what is back
        await built.becomes("idle")
    assert (await built.agent("alice")).quarantined is None
