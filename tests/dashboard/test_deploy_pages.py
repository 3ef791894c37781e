"""The page of one deploy: all that is known of it, and what Nix printed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from hyperhive.protocol.errors import Unavailable
from tests.dashboard.test_pages import OF_DEPLOYS, text, words
from tests.support.deploying import Workshop
from tests.support.dump import dump
from tests.support.swarm import Swarm

HOSTILE = "<script>alert(1)</script>\u202e"


async def shown(browser: aiohttp.ClientSession, path: str = "/agents/alice") -> str:
    return words(await text(browser, path))


@pytest.mark.parametrize("path", ["/", "/agents/alice", "/approvals/3", *OF_DEPLOYS])
async def test_looking_twice_changes_nothing(
    shop: Workshop, operator: aiohttp.ClientSession, tmp_path: Path, path: str
) -> None:
    await shop.deploy("alice", "done")
    await shop.deploy("alice", "building")
    await shop.propose("alice", "b" * 40, "c" * 40, "declared anew")
    shop.builds.print(1, "a line\n")
    before = dump(tmp_path / "hive.db")
    for _ in range(2):
        await text(operator, path)
        async with operator.head(path) as answer:
            assert answer.status == 200
    assert dump(tmp_path / "hive.db") == before


# --- one deploy ---


async def test_all_that_is_known_of_one(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    await shop.deploy("alice", "done", "declare")
    asked = await shop.propose("alice", "b" * 40, "c" * 40, "declared anew: agent.nix")
    row = await shop.deploy("alice", "done", "change", "b" * 40, approval_id=asked.id)
    page = await shown(operator, "/deploys/2")
    assert row.built is not None
    for part in (
        "Deploy 2 done",
        "Agent alice starting",
        "Kind change another commit than before",
        f"Commit {'b' * 40}",
        "By operator, approval 2",
        "took 1 min 23 s",
        "In place of deploy 1",
        f"Bundle {row.built.bundle}",
    ):
        assert part in page, part
    assert "/rollback" not in await text(operator, "/deploys/2")  # it is what runs
    assert "Roll back to this" in await shown(operator, "/deploys/1")


async def test_how_many_are_before_it(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    for agent in ("alice", "manager"):
        await shop.deploy(agent, "queued")
    await shop.made.hive.agents.spawn("bob", "")
    await shop.deploy("bob", "building")
    assert "waits for 2 others" in await shown(operator, "/deploys/2")
    assert "waits for 1 other Cancel" in await shown(operator, "/deploys/1")
    assert "waits" not in await shown(operator, "/deploys/3")


async def test_one_of_an_agent_that_was_purged(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "done")
    gone = replace(await shop.made.agent("alice"), state="purged")
    await shop.made.hive.store.write(lambda tx: tx.agents.save(gone))
    page = await shown(operator, "/deploys/1")
    assert "Agent alice purged since" in page
    assert "← Swarm Deploy 1 done" in page
    assert "Roll back" not in page


async def test_there_is_no_such_deploy(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    for path in ("/deploys/7", "/deploys/7/log", "/deploys/7/log.txt"):
        assert "there is no deploy 7" in await text(operator, path, 404)
    await text(operator, "/deploys/x", 400)


async def test_where_agents_are_built_no_more(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    """What was deployed stays history."""
    alice = await working.agent("alice")
    row = await working.hive.store.write(
        lambda tx: tx.deploys.add("update", alice.id, "alice", "c" * 40, "operator", 1.0)
    )
    here = f"/deploys/{row.id}"
    page = await shown(browser, here)
    assert f"Deploy {row.id} queued" in page
    assert "Log" not in page.replace("Log out", "")
    assert "/changes" not in await text(browser, here)
    assert "Not all could be read: agents are not built here" in await shown(
        browser, f"{here}/changes"
    )
    for path in (f"{here}/log", f"{here}/log.txt"):
        assert "agents are not built here" in await text(browser, path, 503)


# --- its log ---


async def part(browser: aiohttp.ClientSession, offset: int) -> tuple[str, int, bool]:
    async with browser.get(f"/deploys/1/log?offset={offset}") as answer:
        assert answer.status == 200
        found = await answer.json()
        return found["text"], found["next"], found["over"]


async def test_the_log_part_by_part(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    await shop.deploy("alice", "building")
    assert await part(operator, 0) == ("", 0, False)
    shop.builds.print(1, f"one {HOSTILE}\n")
    line, one = "one <script>alert(1)</script>\\u202e\n", len(f"one {HOSTILE}\n".encode())
    assert await part(operator, 0) == (line, one, False)
    assert await part(operator, one) == ("", one, False)
    shop.builds.print(1, "two\n")
    await shop.change(1, state="done")
    assert await part(operator, one) == ("two\n", one + 4, False)  # there may be more
    assert await part(operator, one + 4) == ("", one + 4, True)
    assert await part(operator, 10**9) == ("", 10**9, True)
    for wrong in ("-1", "x", "9" * 16):
        await text(operator, f"/deploys/1/log?offset={wrong}", 400)


async def test_the_page_has_the_end_of_the_log(
    shop: Workshop, operator: aiohttp.ClientSession
) -> None:
    await shop.deploy("alice", "building")
    assert 'data-empty="Nothing has been printed yet."' in await text(operator, "/deploys/1")
    shop.builds.print(1, "\n" + "".join(f"line {n}\n" for n in range(3_000)) + HOSTILE + "\n")
    body = await text(operator, "/deploys/1")
    assert "line 1001\n" in body
    assert "line 1000\n" not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\n</pre>" in body
    assert f'data-next="{len(shop.builds.printed[1])}"' in body
    assert '<a href="/deploys/1">Read it again</a>' in body
    async with operator.get("/deploys/1", headers={"X-Refresh": "yes"}) as answer:
        assert "line 2999" not in await answer.text()  # the page keeps what it shows


async def test_the_whole_log_is_a_file(shop: Workshop, operator: aiohttp.ClientSession) -> None:
    await shop.deploy("alice", "failed")
    shop.builds.print(1, f"{HOSTILE}\n" * 200_000)
    async with operator.get("/deploys/1/log.txt") as answer:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="deploy-1.txt"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await answer.read() == shop.builds.printed[1]
    async with operator.head("/deploys/1/log.txt") as answer:
        assert answer.status == 200
    async with operator.get("/deploys/1/log.txt") as answer:  # the connection is still in order
        assert answer.status == 200


async def test_a_log_that_cannot_be_read(
    shop: Workshop, operator: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(deploy: int, offset: int) -> tuple[str, int]:
        if offset:
            raise Unavailable("the log: <no>")
        return "half\n" * 1_000, 5_000

    await shop.deploy("alice", "building")
    monkeypatch.setattr(shop.builds, "log", fail)
    assert "the log: &lt;no&gt;" in await text(operator, "/deploys/1")
    await text(operator, "/deploys/1/log?offset=1", 503)
    with pytest.raises(aiohttp.ClientPayloadError):  # a part is not taken for the whole
        async with operator.get("/deploys/1/log.txt") as answer:
            await answer.read()
