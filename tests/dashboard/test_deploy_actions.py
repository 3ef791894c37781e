"""Orders about deploys, as a page sends them."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import pytest

from hyperhive.hive.deploy_rows import Deploy
from tests.support.deploying import Workshop
from tests.support.posting import plain, post
from tests.support.swarm import Swarm


async def deploys(shop: Workshop) -> list[tuple[str, str, str]]:
    """Kind, agent and state of all, oldest first."""
    rows = await shop.made.hive.store.read(lambda tx: tx.deploys.recent())
    return [(row.kind, row.agent, row.state) for row in reversed(rows)]


async def test_update(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    await shop.deploy("alice", "done", commit="a" * 40)
    status, answer = await post(operator, "/agents/alice/update")
    assert (status, answer["result"]) == (200, "alice is being updated: deploy 2.")
    row = await shop.made.hive.store.read(lambda tx: tx.deploys.get(2))
    assert isinstance(row, Deploy)
    assert (row.kind, row.state, row.commit, row.actor) == (
        *("update", "queued", "a" * 40),
        "operator",
    )


async def test_update_without_script_ends_on_the_page_of_the_agent(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "done")
    status, body, path = await plain(operator, "/agents/alice/update")
    assert (status, path) == (200, "/agents/alice")
    assert "alice is being updated: deploy 2." in body


@pytest.mark.parametrize("order", ["update", "rollback"])
async def test_one_at_a_time(shop: Workshop, operator: aiohttp.ClientSession, order: str) -> None:
    commits = [await shop.commit("alice", text) for text in ("one", "two")]
    for commit in commits:
        await shop.deploy("alice", "done", commit=commit)
    await shop.deploy("alice", "building")
    data = {"to": "1"} if order == "rollback" else None
    status, answer = await post(operator, f"/agents/alice/{order}", data)
    told = "deploy 3 of alice is building; cancel it, or wait"
    assert (status, answer["error"]["message"]) == (409, told)
    status, body, _ = await plain(operator, f"/agents/alice/{order}", data)
    assert status == 409
    assert f"Not done: {told}" in body
    assert len(await deploys(shop)) == 3


async def test_nothing_to_update(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    status, answer = await post(operator, "/agents/alice/update")
    assert (status, answer["error"]["message"]) == (409, "alice has no configuration yet")
    for path in ("/agents/nobody/update", "/agents/nobody/rollback"):
        assert (await post(operator, path, {"to": "1"} if "rollback" in path else None))[0] == 404
    status, answer = await post(operator, "/update-all")
    assert (status, answer["result"]) == (200, "Nobody is left to update.")


async def test_update_all(
    shop: Workshop, operator: aiohttp.ClientSession, stale: Callable[[], None]
) -> None:
    await shop.deploy("manager", "done")
    await shop.deploy("alice", "done")
    stale()
    status, answer = await post(operator, "/update-all")
    assert status == 200
    assert answer["result"] == "Being updated: manager (deploy 3), alice (deploy 4)."
    status, body, path = await plain(operator, "/update-all")
    assert (status, path) == (200, "/")
    assert "Nobody is left to update." in body
    assert len(await deploys(shop)) == 4


async def test_rollback(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    first = await shop.commit("alice", "one")
    await shop.configs.settle("alice", 1, first)
    await shop.deploy("alice", "done", "declare", first)
    second = await shop.commit("alice", "two")
    await shop.deploy("alice", "done", "change", second)
    status, answer = await post(operator, "/agents/alice/rollback", {"to": "1"})
    assert (status, answer["result"]) == (
        200,
        "alice goes back to what deploy 1 ran: deploy 3.",
    )
    assert (await deploys(shop))[-1] == ("rollback", "alice", "queued")


@pytest.mark.parametrize("to", ["", "0x1", "-1", "1" * 16, "99", "3", "4"])
async def test_no_way_back_to_what_never_ran(
    shop: Workshop, operator: aiohttp.ClientSession, to: str
) -> None:
    for _ in range(2):
        await shop.deploy("alice", "done")
    await shop.deploy("alice", "failed")
    await shop.deploy("manager", "done")
    status, answer = await post(operator, "/agents/alice/rollback", {"to": to})
    assert (status, answer["error"]["field"]) == (400, "to")
    assert (await plain(operator, "/agents/alice/rollback", {"to": to}))[0] == 400
    assert len(await deploys(shop)) == 4


async def test_what_is_wrong_stands_beside_the_button_that_was_pressed(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    """All have the same files."""
    commit = await shop.commit("alice", "one")
    for _ in range(3):
        await shop.deploy("alice", "done", commit=commit)
    status, body, _ = await plain(operator, "/agents/alice/rollback", {"to": "2"})
    assert status == 409
    before, _, after = body.partition('id="rollback-2"')
    told = "alice has that configuration already</p>"
    assert told in after.partition("</form>")[0]
    assert told not in before.partition("<main")[2]
    assert told not in after.partition("</form>")[2]


async def test_cancel(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    await shop.deploy("alice", "queued")
    status, answer = await post(operator, "/cancel-deploy/1")
    assert (status, answer["result"]) == (200, "Deploy 1 of alice is cancelled.")
    status, answer = await post(operator, "/cancel-deploy/1")
    assert (status, answer["error"]["message"]) == (409, "deploy 1 is cancelled")
    await shop.deploy("alice", "starting")
    status, body, _ = await plain(operator, "/cancel-deploy/2")
    assert status == 409
    assert "Not done: deploy 2 is being tried; it ends by itself" in body
    assert "Deploy 2 " in body
    assert (await post(operator, "/cancel-deploy/9"))[0] == 404


async def test_cancel_without_script_ends_on_the_page_of_the_deploy(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "building")
    status, body, path = await plain(operator, "/cancel-deploy/1")
    assert (status, path) == (200, "/deploys/1")
    assert "Deploy 1 of alice is cancelled." in body


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/agents/alice/update", None),
        ("/agents/alice/rollback", {"to": "1"}),
        ("/cancel-deploy/1", None),
        ("/update-all", None),
    ],
)
async def test_where_agents_are_not_built(
    hive: Swarm, browser: aiohttp.ClientSession, path: str, data: dict[str, str] | None
) -> None:
    status, answer = await post(browser, path, data)
    assert status == 503
    assert "the configuration has no `nix`" in answer["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/agents/alice/update", "/cancel-deploy/1", "/update-all", "/agents/alice/rollback"]
)
async def test_fields_that_do_not_belong_there(
    shop: Workshop, operator: aiohttp.ClientSession, path: str
) -> None:
    await shop.deploy("alice", "queued")
    assert (await post(operator, path, {"to": "1", "more": "x"}))[0] == 400
    assert await deploys(shop) == [("update", "alice", "queued")]
