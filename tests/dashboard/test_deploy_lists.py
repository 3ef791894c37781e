"""What other pages show of deploys: what an agent runs, what waits, what is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable

import aiohttp

from tests.dashboard.test_deploy_pages import HOSTILE, shown
from tests.dashboard.test_pages import text, words
from tests.support.deploying import Workshop
from tests.support.swarm import Swarm

# --- the agent ---


async def test_nothing_is_shown_where_agents_are_not_built(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    for path in ("/", "/agents/alice"):
        body = await text(browser, path)
        for word in ("deploy", "Configuration", "update", "Roll back"):
            assert word not in re.sub(r'data-on[^"]*="[^"]*"', "", body), (path, word)


async def test_an_agent_that_has_nothing_yet(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    page = await shown(operator)
    assert "Runs nothing that is built yet Deploys last 10 Nothing has been deployed yet." in page
    assert "not built" in page
    assert "/update" not in await text(operator, "/agents/alice")


async def test_what_is_not_built_is_not_driven(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    async def offered() -> set[str]:
        body = await text(operator, "/agents/alice")
        assert ('<div id="terminal-place" hidden>' in body) == ("Nothing is built yet" in body)
        return set(re.findall(r'action="/agents/alice/(start|kill|restart)"', body))

    assert await offered() == set()
    await shop.deploy("alice", "building")
    assert await offered() == set()
    await shop.made.hive.agents.kill("alice")
    assert await offered() == set()
    assert "Nothing is built yet that could be started." in await shown(operator)
    await shop.deploy("alice", "done")
    assert await offered() == {"start"}
    assert "Nothing is built yet" not in await shown(operator)


async def test_what_runs_and_what_came_before(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    first = await shop.deploy("alice", "done", "declare", "a" * 40)
    await shop.deploy("alice", "done", "change", "b" * 40)
    await shop.deploy("alice", "failed", "change", "d" * 40, error=f"error: {HOSTILE}")
    await shop.deploy("alice", "rolled_back", "change", "e" * 40, error="not healthy")
    page = await shown(operator)
    assert "Runs deploy 2 , bbbbbbbbbbbb" in page
    over = "deploy 4 rolled back change by operator, eeeeeeeeeeee , took 1 min 23 s not healthy"
    assert over in page
    assert "deploy 2 done in place" in page
    body = await text(operator, "/agents/alice")
    assert "error: &lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in body
    assert re.findall(r'name="to" value="(\d+)"', body) == [str(first.id)]


async def test_what_goes_on_can_be_cancelled_until_it_is_tried(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "done")
    await shop.deploy("alice", "done")
    going_on = await shop.deploy("alice", "queued")
    for state in ("queued", "evaluating", "building"):
        await shop.change(going_on.id, state=state)
        body = await text(operator, "/agents/alice")
        assert f"Under way deploy 3 , update {state} " in words(body)
        assert body.count('action="/cancel-deploy/3"') == 1
        assert "/rollback" not in body  # nothing else is ordered meanwhile
        assert "/update" not in body
    await shop.change(going_on.id, state="starting")
    body = await text(operator, "/agents/alice")
    assert "Under way deploy 3 , update starting " in words(body)
    assert "/cancel-deploy" not in body


async def test_a_first_deploy_that_failed_can_be_built_again(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "failed", "declare", error="error: " + "x" * 5_000)
    for path in ("/", "/agents/alice"):
        assert "not built error: xxx" in await shown(operator, path)
    assert "x" * 500 not in await text(operator, "/")
    assert "Build again" in await shown(operator)


async def test_one_that_was_destroyed_goes_nowhere(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "done")
    await shop.deploy("alice", "done")
    await shop.made.hive.agents.destroy("alice", purge=False)
    for path in ("/agents/alice", "/deploys/1"):
        body = await text(operator, path)
        assert "/rollback" not in body
        assert "/update" not in body


async def test_only_ten_are_listed_and_what_runs_all_the_same(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "done")
    for _ in range(12):
        await shop.deploy("alice", "failed")
    body = await text(operator, "/agents/alice")
    assert re.findall(r'<li class="letter" id="deploy-(\d+)"', body) == [
        str(n) for n in range(13, 3, -1)
    ]
    assert "Runs deploy 1 , cccccccccccc" in words(body)


# --- the swarm ---


async def test_the_queue_and_who_needs_an_update(
    shop: Workshop, operator: aiohttp.ClientSession, stale: Callable[[], None]
) -> None:
    assert "Being deployed" not in await shown(operator, "/")
    await shop.deploy("manager", "done")
    await shop.deploy("alice", "done")
    assert "needs update" not in await shown(operator, "/")
    stale()
    body = await text(operator, "/")
    assert body.count(">needs update<") == 2
    assert "Nixpkgs than this host's: manager , alice . Update all" in words(body)
    assert "needs update" in await shown(operator)
    await shop.deploy("manager", "queued")
    await shop.deploy("alice", "building")
    page = await shown(operator, "/")
    assert "Update all" not in page  # all are on their way
    assert "1. deploy 4 of alice building" in page
    assert "2. deploy 3 of manager queued" in page
    assert "starting deploy 4 building" in page  # beside alice's state


# --- what is asked for ---


async def test_a_proposed_change(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    await shop.deploy("alice", "done", "declare", "a" * 40)
    await shop.propose("alice", "b" * 40, "a" * 40, f"declared anew: {HOSTILE}")
    for path in ("/", "/approvals/2"):
        page = await shown(operator, path)
        assert "system requests a change of alice : bbbbbbbbbbbb in place of aaaaaaaaaaaa" in page
        assert "declared anew: <script>alert(1)</script>\\u202e" in page
        assert "(optional; the audit log keeps it)" in page
    assert f'"commit": "{"b" * 40}"' in await shown(operator, "/approvals/2")
    await shop.made.hive.approvals.approve(2)
    page = await shown(operator, "/approvals/2")
    assert "Deploy deploy 2 queued" in page
