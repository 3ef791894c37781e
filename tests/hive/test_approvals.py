"""Requests that wait for the operator: decided once, bound to what was shown."""

import asyncio

import pytest

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.policy import AgentPolicy
from hyperhive.hive.records import Approval, Operation
from hyperhive.protocol.errors import AlreadyResolved, Conflict, Forbidden, InvalidField, NotFound
from hyperhive.protocol.verbs import RequestDestroy, RequestSpawn
from tests.hive.conftest import MakeWorld
from tests.hive.world import MANAGER, WORKER, World
from tests.support.wait import wait_for


async def request_spawn(
    world: World, name: str = "carol", key: str = "k", who: str = "manager"
) -> int:
    request = RequestSpawn(name=name, description="sings", key=key)
    return int((await world.hive.approvals.request_spawn(await world.sender(who), request))["id"])


async def request_destroy(
    world: World, name: str = "bob", *, purge: bool = False, who: str = "manager"
) -> int:
    request = RequestDestroy(agent=name, purge=purge, reason="idle", key=f"{name} {purge}")
    return int((await world.hive.approvals.request_destroy(await world.sender(who), request))["id"])


async def get(world: World, id_: int) -> Approval:
    approval = await world.read(lambda tx: tx.approvals.get(id_))
    assert approval is not None
    return approval


async def operations(world: World) -> list[Operation]:
    return await world.read(lambda tx: tx.operations.open())


async def gone(world: World, name: str) -> None:
    """Wait until the agent is purged."""

    async def purged() -> bool:
        return await world.read(lambda tx: tx.agents.by_name(name)) is None

    await wait_for(purged, what=f"{name} purged")


# --- requests ---


async def test_a_request_waits_and_changes_nothing(world: World) -> None:
    approval = await get(world, await request_spawn(world))
    assert (approval.kind, approval.state, approval.requester) == ("spawn", "pending", "manager")
    assert (approval.agent, approval.agent_id, approval.description) == ("carol", None, "sings")
    assert await world.read(lambda tx: tx.agents.by_name("carol")) is None
    assert await operations(world) == []
    (event,) = await world.events("approval")
    assert event.data == {
        "id": approval.id,
        "kind": "spawn",
        "state": "pending",
        "agent": "carol",
        "requester": "manager",
        "note": "",
    }


async def test_a_request_to_destroy_names_the_very_agent(world: World) -> None:
    approval = await get(world, await request_destroy(world, purge=True))
    assert (approval.agent_id, approval.binding) == (await world.id("bob"), {"purge": True})


async def test_requesting_needs_the_capability(world: World) -> None:
    for request in (request_spawn, request_destroy):
        with pytest.raises(Forbidden):
            await request(world, who="alice")
    assert await world.read(lambda tx: tx.approvals.open()) == []


async def test_a_key_requests_once(world: World) -> None:
    first = await request_spawn(world)
    assert await request_spawn(world) == first
    with pytest.raises(Conflict, match="another request"):
        await request_spawn(world, "dave")
    await world.hive.approvals.approve(first)
    assert await request_spawn(world) == first


async def test_one_request_at_a_time_waits_for_a_name(world: World) -> None:
    await request_spawn(world)
    with pytest.raises(Conflict, match="waits for the operator"):
        await request_spawn(world, key="k2")


@pytest.mark.parametrize(
    ("name", "error"), [("alice", Conflict), ("manager", InvalidField)], ids=str
)
async def test_a_taken_name_is_not_requested(
    world: World, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await request_spawn(world, name)


async def test_who_cannot_be_destroyed_is_not_requested(world: World) -> None:
    with pytest.raises(InvalidField, match="manager"):
        await request_destroy(world, "manager")
    with pytest.raises(Forbidden):
        await request_destroy(world, "nobody")


# --- decisions ---


async def test_an_approved_spawn_is_an_agent_with_the_order_to_start_it(world: World) -> None:
    id_ = await request_spawn(world)
    decided = await world.hive.approvals.approve(id_, "fine")
    agent = await world.agent("carol")
    assert (agent.origin, agent.wanted, agent.description) == ("spawned", "running", "sings")
    assert (decided.state, decided.agent_id, decided.resolved_by) == (
        "running",
        agent.id,
        "operator",
    )
    (operation,) = await operations(world)
    assert (operation.kind, operation.agent_id, operation.approval_id) == ("spawn", agent.id, id_)
    assert await world.audit() == [
        ("operator", "approval.approved", f"spawn carol (approval {id_})")
    ]
    assert await world.told("manager") == [
        {
            "event": "approval_resolved",
            "id": id_,
            "agent": "carol",
            "kind": "spawn",
            "status": "approved",
            "note": "fine",
            "sha": None,
            "tag": None,
        }
    ]


async def test_an_approval_is_used_up_once(world: World) -> None:
    id_ = await request_spawn(world)
    answers = await asyncio.gather(
        *(world.hive.approvals.approve(id_) for _ in range(10)), return_exceptions=True
    )
    assert len([a for a in answers if isinstance(a, Approval)]) == 1
    assert len([a for a in answers if isinstance(a, AlreadyResolved)]) == 9
    assert len(await operations(world)) == len(await world.audit()) == 1


async def test_what_was_denied_is_not_approved(world: World) -> None:
    id_ = await request_spawn(world)
    assert (await world.hive.approvals.deny(id_, "not now")).state == "denied"
    for decide in (world.hive.approvals.approve, world.hive.approvals.deny):
        with pytest.raises(AlreadyResolved) as refusal:
            await decide(id_)
        assert refusal.value.resolution == "denied"
    assert await operations(world) == []
    assert await world.audit() == [("operator", "approval.denied", f"spawn carol (approval {id_})")]


async def test_the_reason_of_a_denial_reaches_the_requester(world: World) -> None:
    await world.hive.approvals.deny(await request_spawn(world), "we have enough")
    told = await world.told_last("manager")
    assert (told["event"], told["status"], told["note"]) == (
        "approval_resolved",
        "denied",
        "we have enough",
    )


async def test_an_unknown_approval_is_not_found(world: World) -> None:
    for decide in (world.hive.approvals.approve, world.hive.approvals.deny):
        with pytest.raises(NotFound, match="7"):
            await decide(7)


async def test_a_name_taken_meanwhile_can_be_denied_but_not_approved(world: World) -> None:
    id_ = await request_spawn(world)
    await world.hive.agents.spawn("carol")
    with pytest.raises(Conflict, match="'carol' is the name of an agent"):
        await world.hive.approvals.approve(id_)
    assert (await get(world, id_)).state == "pending"
    assert len(await operations(world)) == 1
    await world.hive.approvals.deny(id_, "there is one")


async def test_an_approved_destroy_is_ordered(world: World) -> None:
    id_ = await request_destroy(world, purge=True)
    await world.hive.approvals.approve(id_)
    assert (await world.agent("bob")).state == "purging"
    (operation,) = await operations(world)
    assert (operation.kind, operation.purge, operation.approval_id) == ("destroy", True, id_)
    assert ("operator", "agent.purge", "bob") in await world.audit()


# --- what happens meanwhile ---


async def test_an_approval_does_not_reach_another_agent_of_the_same_name(world: World) -> None:
    id_ = await request_destroy(world)
    async with world.alive():
        await world.hive.agents.destroy("bob", purge=True)
        await gone(world, "bob")
        await world.hive.agents.spawn("bob")
        with pytest.raises(AlreadyResolved) as refusal:
            await world.hive.approvals.approve(id_)
    assert refusal.value.resolution == "expired"
    assert (await world.agent("bob")).state == "present"


async def test_an_agent_that_is_going_is_not_destroyed_by_approval(world: World) -> None:
    id_ = await request_destroy(world, purge=True)
    await world.hive.agents.destroy("bob", purge=False)
    with pytest.raises(Conflict, match="not the agent any more"):
        await world.hive.approvals.approve(id_)
    assert (await world.agent("bob")).state == "tombstone"


async def test_requests_of_and_about_a_removed_agent_are_void(make_world: MakeWorld) -> None:
    deputy = AgentPolicy(capabilities=("manage",))
    world = await make_world(declared={"manager": MANAGER, "bob": deputy, "alice": WORKER})
    of_bob = await request_spawn(world, who="bob")
    about_bob = await request_destroy(world)
    other = await request_destroy(world, "alice")
    async with world.alive():
        await world.hive.agents.destroy("bob", purge=True)
        await gone(world, "bob")
    states = [(await get(world, id_)).state for id_ in (of_bob, about_bob, other)]
    assert states == ["expired", "expired", "pending"]
    (told,) = [t for t in await world.told("manager") if t["event"] == "approval_resolved"]
    assert (told["id"], told["status"], told["note"]) == (about_bob, "expired", "bob was removed")


async def test_a_request_for_a_name_outlives_an_earlier_agent_of_that_name(world: World) -> None:
    id_ = await request_spawn(world)
    async with world.alive():
        await world.hive.agents.spawn("carol")
        await world.hive.agents.destroy("carol", purge=True)
        await gone(world, "carol")
    assert (await get(world, id_)).state == "pending"
    await world.hive.approvals.approve(id_)
    assert (await world.agent("carol")).state == "present"


@pytest.mark.parametrize(("problem", "state"), [(None, "done"), ("no room", "failed")])
async def test_an_approval_ends_with_its_operation(
    world: World, problem: str | None, state: str
) -> None:
    if problem:
        world.runtime.refusals["start"] = problem
    id_ = await request_spawn(world)
    async with world.alive():
        await world.hive.approvals.approve(id_, "fine")

        async def over() -> bool:
            return (await get(world, id_)).state == state

        await wait_for(over, what=state)
        told = await world.hear("manager", "spawned")
    assert (await get(world, id_)).note == (problem or "fine")
    assert told == {
        "event": "spawned",
        "agent": "carol",
        "ok": problem is None,
        "note": problem or "",
    }


async def test_the_operator_may_request_too(world: World) -> None:
    request = RequestSpawn(name="carol", key="k")
    answer = await world.hive.approvals.request_spawn(OPERATOR_SENDER, request)
    await world.hive.approvals.deny(answer["id"])
    assert await world.inbox("operator") == []
