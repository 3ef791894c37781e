"""What the operator can do over the socket, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhive.protocol.errors import RemoteError
from tests.admin.conftest import Served

UNKNOWN = [
    ("agent", {"name": "nobody"}, "not_found"),
    ("answer", {"id": 99, "answer": "x"}, "not_found"),
    ("approve", {"id": 99}, "not_found"),
    ("cancel_question", {"id": 99}, "not_found"),
    ("cancel_turn", {"name": "nobody"}, "not_found"),
    ("debug_ack", {"name": "nobody", "deliveries": [1]}, "not_found"),
    ("deploys", {"agent": "nobody"}, "not_found"),
    ("debug_recv", {"name": "nobody"}, "not_found"),
    ("debug_send", {"sender": "nobody", "to": "alice", "body": "x", "key": "k"}, "not_found"),
    ("debug_wake", {"name": "nobody"}, "not_found"),
    ("deny", {"id": 99}, "not_found"),
    ("destroy", {"name": "nobody"}, "not_found"),
    ("kill", {"name": "nobody"}, "not_found"),
    ("logs", {"name": "nobody"}, "not_found"),
    ("messages", {"agent": "nobody"}, "not_found"),
    ("model", {"name": "nobody", "model": "small"}, "not_found"),
    ("new_session", {"name": "nobody"}, "not_found"),
    ("restart", {"name": "nobody"}, "not_found"),
    ("revive", {"name": "nobody"}, "not_found"),
    ("start", {"name": "nobody"}, "not_found"),
]
REFUSED = [
    ("ask", {"to": "nobody", "question": "?", "key": "k"}, "forbidden"),
    ("send", {"to": "nobody", "body": "x", "key": "k"}, "forbidden"),
    ("send", {"to": "alice", "body": "x", "in_reply_to": 99, "key": "k"}, "forbidden"),
    ("debug_send", {"sender": "alice", "to": "nobody", "body": "x", "key": "k"}, "forbidden"),
    ("debug_ack", {"name": "alice", "deliveries": [99]}, "lease_expired"),
    ("model", {"name": "alice", "model": "unknown"}, "invalid_field"),
    ("spawn", {"name": "manager"}, "invalid_field"),
    ("spawn", {"name": "alice"}, "conflict"),
    ("revive", {"name": "alice"}, "conflict"),
    ("destroy", {"name": "manager"}, "invalid_field"),
    ("cancel_turn", {"name": "alice"}, "conflict"),
    ("new_session", {"name": "alice"}, "conflict"),
    ("cancel_deploy", {"id": 1}, "unavailable"),
    ("deploy_log", {"id": 1}, "unavailable"),
    ("rollback", {"name": "alice"}, "unavailable"),
    ("update", {"name": "alice"}, "unavailable"),
    ("update", {}, "unavailable"),
]


@pytest.mark.parametrize(("verb", "arguments", "code"), [*UNKNOWN, *REFUSED])
async def test_a_refusal_has_its_kind_and_stores_nothing(
    served: Served, verb: str, arguments: dict[str, Any], code: str
) -> None:
    before = served.dump()
    async with served.client as client:
        with pytest.raises(RemoteError) as refused:
            await client.call(verb, **arguments)
    assert refused.value.remote_code == code
    assert refused.value.message
    assert served.dump() == before


async def test_mail_both_ways(served: Served) -> None:
    async with served.client as client:
        sent = await client.call("send", to="alice", body="hello", key="k-1")
        assert await client.call("send", to="alice", body="hello", key="k-1") == sent
        with pytest.raises(RemoteError) as refused:
            await client.call("send", to="alice", body="other", key="k-1")
        assert refused.value.remote_code == "conflict"
        await client.call("debug_send", sender="alice", to="operator", body="yes?", key="k-2")
        assert (await client.call("status"))["unread"] == 1
        (mail,) = (await client.call("inbox"))["messages"]
        assert (mail["from"], mail["body"]) == ("alice", "yes?")
        assert (await client.call("status"))["unread"] == 1
        await client.call("debug_send", sender="alice", to="operator", body="and?", key="k-3")
        await client.call("mark_read", deliveries=[mail["delivery"]])
        assert (await client.call("status"))["unread"] == 1
        (mail, _) = (await client.call("inbox"))["messages"]
        await client.call("mark_read", deliveries=[mail["delivery"], 99])
        assert (await client.call("status"))["unread"] == 0
        flow = (await client.call("messages"))["messages"]
        assert [m["from"] for m in flow if m["kind"] != "system"] == ["alice", "alice", "operator"]
        (older,) = (await client.call("messages", agent="alice", before=flow[-2]["delivery"]))[
            "messages"
        ]
        assert older["body"] == "hello"


async def test_a_broadcast_tells_how_it_went_for_each(served: Served) -> None:
    async with served.client as client:
        sent = await client.call("send", to="*", body="all", key="k")
    assert {r["to"] for r in sent["results"]} >= {"manager", "alice", "bob"}


async def test_mail_in_an_agents_place(served: Served) -> None:
    async with served.client as client:
        await client.call("send", to="alice", body="one", key="k-1")
        (mail,) = (await client.call("debug_recv", name="alice"))["messages"]
        assert mail["body"] == "one"
        (lease,) = (await client.call("debug_leases"))["leases"]
        assert (lease["to"], lease["instance"]) == ("alice", "debug-instance")
        await client.call("debug_ack", name="alice", deliveries=[lease["delivery"]])
        assert (await client.call("debug_leases"))["leases"] == []
        assert (await client.call("debug_recv", name="alice"))["messages"] == []
        assert await client.call("debug_wake", name="alice") == {"woken": "alice", "linked": False}


async def test_questions(served: Served) -> None:
    number = await served.swarm.ask("alice", "tea?", options=("yes", "no"))
    async with served.client as client:
        (asked,) = (await client.call("questions"))["questions"]
        assert (asked["id"], asked["options"]) == (number, ["yes", "no"])
        answered = await client.call("answer", id=number, answer="yes")
        assert (answered["state"], answered["answer"]) == ("answered", "yes")
        for verb, more in (("answer", {"answer": "no"}), ("cancel_question", {})):
            with pytest.raises(RemoteError) as refused:
                await client.call(verb, id=number, **more)
            assert refused.value.remote_code == "already_resolved"
            assert refused.value.details()["resolution"] == "answered"
        asked = await client.call("ask", to="alice", question="when?", key="k")
        await client.call("cancel_question", id=asked["id"])
        assert (await client.call("questions"))["questions"] == []
        everything = (await client.call("questions", all=True))["questions"]
        assert {q["state"] for q in everything} == {"answered", "cancelled"}
        assert len((await client.call("questions", all=True, limit=1))["questions"]) == 1


async def test_approvals(served: Served) -> None:
    await served.swarm.start("manager")
    first = await served.swarm.request_spawn("carol", "counts")
    second = await served.swarm.request_spawn("dave")
    async with served.client as client:
        listed = (await client.call("approvals"))["approvals"]
        assert [a["id"] for a in listed] == [first, second]
        assert (await client.call("approve", id=first, note="good"))["note"] == "good"
        denied = await client.call("deny", id=second, reason="no")
        assert (denied["state"], denied["resolved_by"]) == ("denied", "operator")
        for verb in ("approve", "deny"):
            with pytest.raises(RemoteError) as refused:
                await client.call(verb, id=second)
            assert refused.value.remote_code == "already_resolved"
        assert (await client.call("approvals"))["approvals"] == []
        assert len((await client.call("approvals", all=True))["approvals"]) == 2
        assert {a["name"] for a in (await client.call("agents"))["agents"]} >= {"carol"}
        actions = [e["action"] for e in (await client.call("audit"))["entries"]]
        assert actions[:2] == ["approval.denied", "approval.approved"]


async def test_lives_are_orders(served: Served) -> None:
    async with served.client as client:
        for verb, wanted in (("start", "running"), ("kill", "stopped"), ("restart", "running")):
            order = await client.call(verb, name="alice")
            assert order["agent"] == "alice"
            assert (await client.call("agent", name="alice"))["wanted"] == wanted
        assert (await client.call("destroy", name="bob"))["kind"] == "destroy"
        assert (await client.call("agent", name="bob"))["state"] == "tombstone"
        with pytest.raises(RemoteError) as refused:
            await client.call("destroy", name="bob")
        assert refused.value.remote_code == "conflict"
        assert (await client.call("revive", name="bob"))["kind"] == "spawn"
        assert (await client.call("agent", name="bob"))["wanted"] == "running"
        await client.call("destroy", name="bob", purge=True)
        kinds = [o["kind"] for o in (await client.call("status"))["operations"]]
        assert kinds.count("destroy") == 2


async def test_a_model_is_overridden_and_given_back(served: Served) -> None:
    async with served.client as client:
        default = (await client.call("agent", name="alice"))["model"]
        changed = await client.call("model", name="alice", model="small")
        assert changed["override"] == "small"
        assert changed["model"] != default
        assert (await client.call("model", name="alice"))["model"] == default


async def test_hints_go_down_the_link(served: Served) -> None:
    await served.swarm.start("alice")
    async with served.client as client:
        await client.call("cancel_turn", name="alice")
        await client.call("new_session", name="alice")
        entries = (await client.call("audit"))["entries"]
    assert served.swarm.pushes == [("alice", "cancel"), ("alice", "new_session")]
    pushed = [(e["actor"], e["action"], e["subject"]) for e in reversed(entries)][-2:]
    assert pushed == [
        ("operator", "agent.cancel", "alice"),
        ("operator", "agent.new_session", "alice"),
    ]


async def test_what_agents_use_and_may_use(served: Served) -> None:
    await served.swarm.start("alice")
    async with served.client as client:
        for verb in ("agents", "status"):
            agents = {a["name"]: a for a in (await client.call(verb))["agents"]}
            assert agents["alice"]["usage"] == {
                "memory_bytes": 300 * 2**20,
                "cpu_seconds": 75.0,
                "tasks": 12,
                "disk_bytes": 2**30,
                "disk_quota": False,
            }
            assert agents["manager"]["usage"]["tasks"] is None
            assert agents["alice"]["limits"] == {
                "memory_max": 4 * 2**30,
                "cpu_quota": 200,
                "tasks_max": 1_024,
                "io_weight": 100,
                "disk_max": None,
                "inodes_max": None,
            }


async def test_what_needs_a_look_is_a_warning(served: Served) -> None:
    storage = served.swarm.hive.storage
    storage.level, storage.free = "low", 0.08
    async with served.client as client:
        await client.call("destroy", name="alice")
        assert (await client.call("status"))["warnings"] == [
            "only 8% of the disk is free: no turn starts until 12% are",
            "careful",
            "alice is declared, but was destroyed: revive it to have it back",
        ]
        await client.call("revive", name="alice")
        assert len((await client.call("status"))["warnings"]) == 2


async def test_what_the_service_knows(served: Served) -> None:
    async with served.client as client:
        status = await client.call("status")
        assert (status["runtime"], status["warnings"]) == ("local", ["careful"])
        assert (await client.call("logs", name="alice", lines=9))["lines"] == [
            "alice 6",
            "alice 7",
            "alice 8",
        ]
        assert (await client.call("doctor"))["checks"][0]["text"] == "full"
        one = (await client.call("login_code"))["url"]
        assert one.startswith(f"{served.swarm.url}/login#")
        assert (await client.call("login_code"))["url"] != one
