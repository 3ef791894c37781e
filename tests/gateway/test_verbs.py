"""Verbs over link and POST: who may call them, and what they do."""

import asyncio
from typing import Any

import pytest

from hyperhive.protocol.verbs import VERBS, Recv
from tests.gateway.client import Refused
from tests.gateway.examples import GOOD, INSTANCE, MANAGED, POSTED
from tests.gateway.world import World

# --- who may ---


async def refusal(
    world: World, name: str, verb: str, arguments: dict[str, Any]
) -> tuple[int, bytes]:
    url = f"http://hive/v1/{verb}"
    async with world.client(name).http() as http, http.post(url, json=arguments) as answer:
        return answer.status, await answer.read()


async def test_a_forbidden_verb_looks_like_an_unknown_one_by_post(world: World) -> None:
    before = world.dump()
    unknown = await refusal(world, "alice", "make_coffee", {})
    assert unknown[0] == 403
    link_only = [name for name, verb in VERBS.items() if verb.link_only]
    for verb in [*MANAGED, *link_only, "__class__", "call", "A" * 500, "%00", "send%20"]:
        assert await refusal(world, "alice", verb, GOOD.get(verb, {})) == unknown
        # Not even the form of the arguments is looked at.
        assert await refusal(world, "alice", verb, {"surprise": 1}) == unknown
    assert world.dump() == before


async def test_a_forbidden_verb_looks_like_an_unknown_one_on_the_link(world: World) -> None:
    async with world.client("alice").link() as link:
        before, errors = world.dump(), []
        for verb in ["make_coffee", *MANAGED]:
            with pytest.raises(Refused) as refused:
                await link.call(verb, **GOOD.get(verb, {}))
            errors.append(refused.value.error)
        assert errors == [errors[0]] * len(errors)
        assert world.dump() == before


async def test_foreign_and_unknown_targets_are_answered_alike(world: World) -> None:
    """A question of others, an agent that is not there: no difference an agent could use."""
    await world.client("bob").call("ask", question="secret?", to="manager", key="k1")
    for verb, more in (("answer", {"answer": "x"}), ("cancel", {})):
        foreign = await refusal(world, "alice", verb, {"id": 1, **more})
        unknown = await refusal(world, "alice", verb, {"id": 999, **more})
        assert foreign == unknown
    for verb in ("start", "kill", "restart", "get_logs"):
        answers = {
            str(await refusal(world, "manager", verb, {"agent": name})) for name in ("nobody", "x")
        }
        assert len(answers) == 1


async def test_the_manager_cannot_stop_itself(world: World) -> None:
    with pytest.raises(Refused, match="forbidden"):
        await world.client("manager").call("kill", agent="manager")


async def test_an_agent_that_was_destroyed_may_do_nothing(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    for verb in POSTED:
        if verb not in ("recv", "open_threads"):
            with pytest.raises(Refused):
                await world.client("bob").call(verb, **GOOD[verb])


# --- what they do ---


async def test_mail_goes_from_agent_to_agent_and_the_sender_is_the_sockets(world: World) -> None:
    alice, bob = world.client("alice"), world.client("bob")
    first = await alice.call("send", to="bob", body="hello", key="k1")
    assert await alice.call("send", to="bob", body="hello", key="k1") == first
    with pytest.raises(Refused, match="conflict"):
        await alice.call("send", to="bob", body="other", key="k1")
    (message,) = await bob.call("recv", instance=INSTANCE, max=32)
    assert (message["from"], message["kind"], message["body"]) == ("alice", "agent", "hello")
    ack = [message["delivery"]]
    assert await bob.call("recv", instance=INSTANCE, ack=ack) == []
    with pytest.raises(Refused, match="invalid_field: from"):
        await alice.call("send", to="bob", body="x", key="k2", **{"from": "operator"})


async def test_recv_needs_a_holder_by_post_and_has_one_on_a_link(world: World) -> None:
    client = world.client("alice")
    for arguments, field in (({}, "instance"), ({"turn": "turn-0001"}, "turn")):
        with pytest.raises(Refused) as refused:
            await client.call("recv", **arguments)
        assert refused.value.field == field
    async with client.link(INSTANCE) as link:
        assert await link.call("recv", instance=INSTANCE) == []
        with pytest.raises(Refused) as refused:
            await link.call("recv", instance="another-instance")
        assert refused.value.field == "instance"


async def test_questions(world: World) -> None:
    alice, bob = world.client("alice"), world.client("bob")
    asked = await alice.call("ask", question="why?", to="bob", options=["a", "b"], key="k1")
    assert [q["question"] for q in (await alice.call("open_threads"))["asked"]] == ["why?"]
    assert [q["asker"] for q in (await bob.call("open_threads"))["to_answer"]] == ["alice"]
    answered = await bob.call("answer", id=asked["id"], answer="so")
    assert (answered["state"], answered["answer"]) == ("answered", "so")
    with pytest.raises(Refused) as refused:
        await alice.call("cancel", id=asked["id"])
    assert refused.value.error["resolution"] == "answered"
    second = await world.client("manager").call("ask_operator", question="may I?", key="k1")
    again = await world.client("manager").call("cancel", id=second["id"])
    assert (again["target"], again["state"]) == ("operator", "cancelled")


async def test_what_the_manager_may(world: World) -> None:
    manager = world.client("manager")
    assert [a["name"] for a in await manager.call("list_agents")] == ["manager", "alice", "bob"]
    world.logs["bob"] = ["one", "tw\udcff", "x" * 5_000]
    logs = await manager.call("get_logs", agent="bob", lines=2)
    assert logs == {"agent": "bob", "lines": ["tw?", "x" * 2_000]}
    spawn = await manager.call("request_spawn", name="carol", description="digs", key="k1")
    destroy = await manager.call("request_destroy", agent="bob", reason="idle", key="k2")
    requests = (await manager.call("open_threads"))["requests"]
    assert [r["id"] for r in requests] == [spawn["id"], destroy["id"]]
    for verb, wanted in (("kill", "stopped"), ("start", "running"), ("restart", "running")):
        operation = await manager.call(verb, agent="bob")
        assert (operation["agent"], operation["actor"]) == ("bob", "manager")
        assert (await world.agent("bob")).wanted == wanted


async def test_whoami(world: World) -> None:
    me = await world.client("manager").call("whoami")
    assert (me["name"], me["role"], me["capabilities"]) == ("manager", "manager", ["manage"])
    assert me["model"] == "claude-big-1"
    assert me["allowed_recipients"] == ["*"]


async def test_a_turn_over_the_link(world: World) -> None:
    await world.client("bob").call("send", to="alice", body="work", key="k1")
    async with world.client("alice").link(INSTANCE) as link:
        assert (await link.call("turn_begin", turn="turn-0001"))["messages"] == []
        await link.call("self_check", ok=True)
        begun = await link.call("turn_begin", turn="turn-0001")
        assert [m["body"] for m in begun["messages"]] == ["work"]
        assert begun["model"] == "claude-big-1"
        events = [{"kind": "tool_use", "tool": "Bash", "text": "ls"}]
        assert await link.call("turn_events", turn="turn-0001", first=1, events=events) == {
            "last": 1
        }
        ended = await link.call("turn_end", turn="turn-0001", result="clean")
        assert ended == {"turn": "turn-0001", "result": "clean"}
        assert (await link.call("turn_begin", turn="turn-0002"))["messages"] == []


async def test_a_recv_given_up_in_the_middle_leaves_no_lease_for_ever(world: World) -> None:
    """The client is gone, the lease is written all the same: it must have an end."""
    await world.client("bob").call("send", to="alice", body="hello", key="k1")
    alice = await world.agent("alice")
    receiving = asyncio.create_task(
        world.hive.broker.receive(alice.id, INSTANCE, Recv(instance=INSTANCE))
    )
    store = world.hive.store
    await asyncio.sleep(0)
    assert store._batch is not None  # type: ignore[attr-defined]  # of the real database
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)
    await store.write(lambda tx: None)  # in order after it
    leased = await store.read(lambda tx: tx.messages.leased(alice.id))
    assert [delivery.instance for delivery in leased] == [INSTANCE]
    assert (alice.id, INSTANCE) in world.hive.leases._deadlines
