"""Decisions about commits over the socket, and new agents with a module of their own."""

from __future__ import annotations

import pytest

from hyperhive.protocol.errors import RemoteError
from hyperhive.protocol.model import MAX_BODY
from tests.admin.conftest import Served
from tests.admin.test_deploys import Building, call, refused
from tests.support.deploying import Workshop


async def proposed(made: Workshop) -> tuple[int, str]:
    """The approval of a change of alice, checked, and its commit."""
    one = await made.commit("alice", "one")
    first = await made.deploy("alice", commit=one)
    await made.configs.settle("alice", first.id, one)
    two = await made.commit("alice", "two")
    return (await made.propose("alice", two, one, "two is better")).id, two


async def test_an_approval_may_name_the_commit_that_was_looked_at(building: Building) -> None:
    number, commit = await proposed(building[1])
    other = ("f" if commit[0] != "f" else "e") * 4
    code, message = await refused(building, "approve", id=number, commit=other)
    assert code == "conflict"
    assert message.startswith(f"approval {number} is about commit {commit[:12]}, not {other}")
    assert f"hyperhive diff {number}" in message
    for bad in ("abc", "main", commit.upper() + "G", ""):
        assert (await refused(building, "approve", id=number, commit=bad))[0] == "invalid_field"
    approved = await call(building, "approve", id=number, commit=commit[:7])
    assert (approved["state"], approved["binding"]["commit"]) == ("running", commit)
    (deploy, _) = (await call(building, "deploys"))["deploys"]
    assert (deploy["id"], deploy["commit"], deploy["approval"]) == (number, commit, number)


async def test_one_that_is_settled_is_told_so_whatever_the_commit(building: Building) -> None:
    number, commit = await proposed(building[1])
    await call(building, "deny", id=number)
    code, _ = await refused(building, "approve", id=number, commit=commit[:7])
    assert code == "already_resolved"
    assert (await refused(building, "approve", id=99, commit=commit))[0] == "not_found"


async def test_a_request_without_a_commit_has_none_to_name(served: Served) -> None:
    await served.swarm.start("manager")
    number = await served.swarm.request_spawn("carol", "counts")
    async with served.client as client:
        with pytest.raises(RemoteError, match="is about no commit") as error:
            await client.call("approve", id=number, commit="abcdef")
        assert error.value.remote_code == "conflict"
        assert (await client.call("approve", id=number))["state"] == "running"


async def test_an_agent_begins_with_its_own_module(building: Building) -> None:
    module = "{ }\n"
    asked = {"name": "carol", "description": "counts", "module": module, "key": "k-1"}
    made = await call(building, "spawn", **asked)
    assert await call(building, "spawn", **asked) == made
    (deploy,) = (await call(building, "deploys", agent="carol"))["deploys"]
    assert (deploy["id"], deploy["kind"], deploy["state"]) == (made["deploy"], "change", "queued")
    files = await building[1].configs.changes("carol", None, deploy["commit"], whole=True)
    (written,) = files.files
    assert (written.path, [line.text for line in written.lines]) == ("agent.nix", ["{ }"])
    agent = await call(building, "agent", name="carol")
    assert agent["description"] == "counts"
    different = {**asked, "module": "{ ... }: { }"}
    assert (await refused(building, "spawn", **different))[0] == "conflict"


@pytest.mark.parametrize("module", ["", " \n", "x" * (MAX_BODY + 1)])
async def test_a_module_that_is_none_is_refused(building: Building, module: str) -> None:
    code, message = await refused(building, "spawn", name="carol", module=module)
    assert (code, message.startswith("module: ")) == ("invalid_field", True)


async def test_where_nothing_is_built_a_module_is_of_no_use(served: Served) -> None:
    async with served.client as client:
        with pytest.raises(RemoteError, match="has no `nix`") as error:
            await client.call("spawn", name="carol", module="{ }")
        assert error.value.remote_code == "unavailable"
        assert (await client.call("spawn", name="carol"))["deploy"] is None
