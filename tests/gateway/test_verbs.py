"""Every verb over link and POST: what it does, who may, and every field wrong in turn."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hyperhive.gateway import verbs as module
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import fields_of, parse
from hyperhive.protocol.verbs import VERBS, Recv
from tests.gateway.client import Refused, result_of
from tests.gateway.world import World

INSTANCE = "instance-of-a-test"

GOOD: dict[str, dict[str, Any]] = {
    "send": {"to": "bob", "body": "hi", "in_reply_to": None, "ttl_seconds": 60, "key": "k"},
    "recv": {
        "wait_seconds": 0,
        "max": 1,
        "turn": None,
        "instance": INSTANCE,
        "ack": [],
        "key": "k",
    },
    "ask": {
        "question": "why?",
        "options": ["a"],
        "multi": False,
        "ttl_seconds": 60,
        "to": "bob",
        "key": "k",
    },
    "ask_operator": {
        "question": "why?",
        "options": ["a"],
        "multi": False,
        "ttl_seconds": 60,
        "key": "k",
    },
    "answer": {"id": 1, "answer": "so"},
    "cancel": {"id": 1},
    "whoami": {},
    "open_threads": {},
    "list_agents": {},
    "request_spawn": {"name": "carol", "description": "", "key": "k"},
    "request_destroy": {"agent": "bob", "purge": False, "reason": "", "key": "k"},
    "start": {"agent": "bob"},
    "kill": {"agent": "bob"},
    "restart": {"agent": "bob"},
    "get_logs": {"agent": "bob", "lines": 10},
    "turn_begin": {"turn": "turn-0001"},
    "turn_events": {"turn": "turn-0001", "first": 1, "events": [{"kind": "text", "text": "x"}]},
    "turn_end": {"turn": "turn-0001", "result": "clean", "error": "", "session": ""},
    "self_check": {"ok": True, "problem": ""},
}
POSTED = [name for name, verb in VERBS.items() if not verb.link_only]
MANAGED = [name for name, verb in VERBS.items() if verb.capability]

SURPRISES = {"surprise", "surprise\\ud800"}
BAD_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**53,
    10**400,
    "",
    "x",
    "-rf",
    "../..",
    "a\n",
    "a\0b",
    "\ud800",
    "Ä" * 70_000,
    "operator; drop",
    [],
    [None],
    [[]],
    ["x"] * 200,
    [{}],
    {},
    {"a": 1},
]


def wrong_arguments(verb: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(field that has to be named, arguments) for everything that the schema does not accept."""
    cls = VERBS[verb].arguments
    tried = [GOOD[verb] | {"surprise": 1}, GOOD[verb] | {"surprise\ud800": 1}]
    for name in fields_of(cls):
        tried.append({k: v for k, v in GOOD[verb].items() if k != name})
        tried += [GOOD[verb] | {name: bad} for bad in BAD_VALUES]
    for arguments in tried:
        try:
            parse(cls, arguments)
        except InvalidField as error:
            yield error.field, arguments


def as_json(value: object) -> bytes:
    """With lone surrogates as escapes, which is the only way they can travel."""
    return json.dumps(value).encode("ascii")


def repr_of(value: object) -> object:
    return value if isinstance(value, int) else None


def test_every_verb_has_a_handler_and_an_example() -> None:
    assert set(module._HANDLERS) == set(VERBS) == set(GOOD)
    for name, arguments in GOOD.items():
        parse(VERBS[name].arguments, arguments)
        assert set(arguments) == set(fields_of(VERBS[name].arguments))


@pytest.mark.parametrize("verb", POSTED)
async def test_each_field_wrong_by_post_is_named_and_nothing_is_stored(
    world: World, verb: str
) -> None:
    before, named = world.dump(), set()
    async with world.client("manager").http() as http:
        for field, arguments in wrong_arguments(verb):
            url = f"http://hive/v1/{verb}"
            async with http.post(url, data=as_json(arguments)) as answer:
                error = (await answer.json())["error"]
            if error["code"] == "invalid_frame":  # no JSON parser may read it in another way
                assert answer.status == 400
                continue
            assert (answer.status, error["code"], error["field"]) == (400, "invalid_field", field)
            named.add(field.partition("[")[0])
    assert named == set(GOOD[verb]) | SURPRISES
    assert world.dump() == before


@pytest.mark.parametrize("verb", VERBS)
async def test_each_field_wrong_over_the_link_is_named_and_nothing_is_stored(
    world: World, verb: str
) -> None:
    async with world.client("manager").link(INSTANCE) as link:
        before, named = world.dump(), set()
        for number, (field, arguments) in enumerate(wrong_arguments(verb), 1):
            frame = {"type": "request", "id": number, "verb": verb, "args": arguments}
            if not {2**53, 10**400}.isdisjoint(map(repr_of, arguments.values())):
                continue  # not a frame at all, see test_link
            answer = link.expect(number)
            await link.ws.send_str(as_json(frame).decode())
            with pytest.raises(Refused) as refused:
                result_of(await answer)
            assert refused.value.code == "invalid_field"
            # A name that is no text is refused with the frame around it.
            assert refused.value.field in (field, f"args.{field}")
            named.add(field.partition("[")[0])
        assert named == set(GOOD[verb]) | SURPRISES
        assert world.dump() == before


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
    world.logs["bob"] = ["one", "two", "x" * 5_000]
    logs = await manager.call("get_logs", agent="bob", lines=2)
    assert logs == {"agent": "bob", "lines": ["two", "x" * 2_000]}
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
    assert store._waiting  # type: ignore[attr-defined]  # of the real database
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)
    await store.write(lambda tx: None)  # in order after it
    leased = await store.read(lambda tx: tx.messages.leased(alice.id))
    assert [delivery.instance for delivery in leased] == [INSTANCE]
    assert (alice.id, INSTANCE) in world.hive.leases._deadlines
