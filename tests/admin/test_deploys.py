"""What the operator sees of deploys over the socket, and can order."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhive.protocol.errors import RemoteError
from tests.admin.conftest import Served
from tests.support.deploying import Workshop

Building = tuple[Served, Workshop]


async def call(building: Building, verb: str, **arguments: Any) -> dict[str, Any]:
    async with building[0].client as client:
        return await client.call(verb, **arguments)


async def refused(building: Building, verb: str, **arguments: Any) -> tuple[str, str]:
    """With which word and message; nothing is stored."""
    before = building[0].dump()
    with pytest.raises(RemoteError) as error:
        await call(building, verb, **arguments)
    assert building[0].dump() == before
    return error.value.remote_code, error.value.message


async def test_deploys_are_listed_newest_first(building: Building) -> None:
    made = building[1]
    first = await made.deploy("alice", commit="a" * 40)
    second = await made.deploy("alice", "failed", error="error: no such option")
    third = await made.deploy("manager", "queued")
    found = (await call(building, "deploys"))["deploys"]
    assert [d["id"] for d in found] == [third.id, second.id, first.id]
    assert found[1]["error"] == "error: no such option"
    one = found[2]
    assert (one["agent"], one["state"], one["commit"]) == ("alice", "done", "a" * 40)
    assert (one["seconds"], one["actor"], one["approval"]) == (83, "operator", None)
    assert one["bundle"].startswith("/nix/store/")
    of_alice = (await call(building, "deploys", agent="alice", limit=1))["deploys"]
    assert [d["id"] for d in of_alice] == [second.id]


async def test_a_log_is_read_on_from_where_it_was(building: Building) -> None:
    made = building[1]
    deploy = await made.deploy("alice", "building")
    made.builds.print(deploy.id, "evaluating\nbuild")
    part = await call(building, "deploy_log", id=deploy.id)
    assert (part["log"], part["next"], part["state"]) == ("evaluating\n", 11, "building")
    made.builds.print(deploy.id, "ing\n")
    part = await call(building, "deploy_log", id=deploy.id, offset=part["next"])
    assert (part["log"], part["next"]) == ("building\n", 20)
    assert (await call(building, "deploy_log", id=deploy.id, offset=20))["log"] == ""
    assert await refused(building, "deploy_log", id=9) == ("not_found", "there is no deploy 9")
    assert (await refused(building, "deploy_log", id=1, offset=-1))[0] == "invalid_field"


async def test_what_is_asked_for_is_shown_beside_what_runs(building: Building) -> None:
    made = building[1]
    one = await made.commit("alice", "one\n")
    deploy = await made.deploy("alice", commit=one)
    await made.configs.settle("alice", deploy.id, one)
    two = await made.commit("alice", "two\n" * 4_000)
    asked = await made.propose("alice", two, one, "more of it")
    view = await call(building, "diff", id=asked.id)
    assert (view["approval"]["id"], view["commit"], view["base"]["commit"]) == (asked.id, two, one)
    assert not view["changes"]["complete"]
    view = await call(building, "diff", id=asked.id, whole=True)
    (file,) = view["changes"]["files"]
    assert (len(file["lines"]), view["changes"]["complete"]) == (4_001, True)
    first = await call(building, "diff", id=deploy.id)
    assert (first["deploy"]["id"], first["base"]["commit"]) == (deploy.id, None)
    word, message = await refused(building, "diff", id=asked.id, base="previous")
    assert (word, message[:6]) == ("invalid_field", "base: ")
    assert (await refused(building, "diff", id=99))[0] == "not_found"
    assert (await refused(building, "diff", id=0))[0] == "invalid_field"


async def test_updates_are_ordered_of_one_and_of_all(building: Building) -> None:
    made = building[1]
    assert (await call(building, "update"))["deploys"] == []
    await made.deploy("alice")
    (order,) = (await call(building, "update", name="alice"))["deploys"]
    assert (order["agent"], order["kind"], order["state"]) == ("alice", "update", "queued")
    word, message = await refused(building, "update", name="alice")
    assert (word, message) == (
        "conflict",
        f"deploy {order['id']} of alice is queued; cancel it, or wait",
    )
    assert (await refused(building, "update", name="nobody"))[0] == "not_found"
    assert (await refused(building, "update", name="manager"))[0] == "conflict"
    await call(building, "cancel_deploy", id=order["id"])
    made.builds.host = "host-2"
    (order,) = (await call(building, "update"))["deploys"]
    assert order["agent"] == "alice"
    assert (await call(building, "update"))["deploys"] == []


async def test_the_way_back_is_ordered_as_a_new_commit(building: Building) -> None:
    made = building[1]
    assert await refused(building, "rollback", name="alice") == (
        "conflict",
        "alice has run nothing else before",
    )
    one = await made.commit("alice", "one")
    first = await made.deploy("alice", commit=one)
    await made.configs.settle("alice", first.id, one)
    two = await made.commit("alice", "two")
    await made.deploy("alice", commit=two)
    order = await call(building, "rollback", name="alice")
    assert (order["kind"], order["state"]) == ("rollback", "queued")
    assert order["commit"] not in (one, two)
    await call(building, "cancel_deploy", id=order["id"])
    assert (await refused(building, "rollback", name="alice", to=99))[0] == "invalid_field"
    assert (await call(building, "rollback", name="alice", to=first.id))["kind"] == "rollback"


async def test_what_waits_is_cancelled_once(building: Building) -> None:
    made = building[1]
    waits = await made.deploy("alice", "queued")
    over = await call(building, "cancel_deploy", id=waits.id)
    assert (over["state"], over["error"]) == ("cancelled", "cancelled by the operator")
    assert (await refused(building, "cancel_deploy", id=waits.id))[0] == "already_resolved"
    tried = await made.deploy("manager", "starting")
    assert (await refused(building, "cancel_deploy", id=tried.id))[0] == "conflict"
    assert (await refused(building, "cancel_deploy", id=99))[0] == "not_found"


async def test_an_agent_says_what_it_is_built_from(building: Building) -> None:
    made = building[1]
    agent = await call(building, "agent", name="alice")
    assert (agent["state"], agent["built"], agent["deploys"]) == ("not built", True, [])
    failed = await made.deploy("alice", "failed", error="error: no such option")
    agent = await call(building, "agent", name="alice")
    assert (agent["state"], agent["problem"]) == ("not built", "error: no such option")
    waits = await made.deploy("alice", "queued")
    agent = await call(building, "agent", name="alice")
    assert (agent["state"], agent["deploying"]["id"]) == ("building", waits.id)
    assert [d["id"] for d in agent["deploys"]] == [waits.id, failed.id]
