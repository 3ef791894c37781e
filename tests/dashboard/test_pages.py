"""The pages: what they show, that they change nothing, and what they say to wrong addresses."""

from __future__ import annotations

import html
import re
from pathlib import Path

import aiohttp
import pytest

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.protocol.verbs import TurnEvent
from tests.support.dump import dump
from tests.support.swarm import Swarm, swarm

PAGES = [
    "/",
    "/agents/alice",
    "/agents/alice/log",
    "/agents/alice/log?after=1",
    "/agents/alice/output",
    "/api/state",
    "/approvals/1",
    "/audit",
    "/audit?before=2",
    "/healthz",
    "/login",
    "/messages",
    "/messages?agent=alice&before=1",
    "/messages?agent=operator",
    "/messages?state=dead",
    "/metrics",
]
OF_DEPLOYS = ["/deploys/1", "/deploys/1/changes", "/deploys/1/log", "/deploys/1/log.txt"]
"""Looked at where agents are built."""


async def text(browser: aiohttp.ClientSession, path: str, status: int = 200) -> str:
    async with browser.get(path) as answer:
        body = await answer.text()
        assert answer.status == status, body
        return body


def words(body: str) -> str:
    """What a reader sees, without markup."""
    main = body.partition("<main")[2].partition(">")[2]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


@pytest.fixture
async def busy(hive: Swarm) -> Swarm:
    """Some of everything."""
    await hive.start("manager")
    alice = await hive.start("alice")
    await hive.send("manager", "alice", "Please write the parser.")
    turn = await hive.begin("alice", alice)
    await hive.report(
        "alice",
        alice,
        turn,
        TurnEvent(kind="tool_use", tool="Bash", text="git status"),
        TurnEvent(kind="tool_refused", tool="Bash", text="curl is not allowed"),
    )
    await hive.spend("alice", 1_000)
    hive.clock.forward(2.5)
    await hive.end("alice", alice, turn)
    await hive.ask("manager", "Which one?", options=("red", "blue"), ttl_seconds=300)
    await hive.request_spawn("carol", "for tests")
    await hive.send("alice", "operator", "It is done.")
    return hive


@pytest.mark.parametrize("path", PAGES)
async def test_looking_twice_changes_nothing(
    busy: Swarm, browser: aiohttp.ClientSession, tmp_path: Path, path: str
) -> None:
    before = dump(tmp_path / "hive.db")
    for _ in range(2):
        await text(browser, path)
        async with browser.head(path, allow_redirects=True) as answer:
            assert answer.status == 200
    assert dump(tmp_path / "hive.db") == before


async def test_the_list_above_has_every_page(busy: Swarm) -> None:
    registered = {
        r.resource.canonical for r in busy.app.router.routes() if r.method == "GET" and r.resource
    }
    visited = {path.partition("?")[0] for path in (*PAGES, *OF_DEPLOYS)}
    named = {r.format(name="alice", id="1", version="", path="") for r in registered}
    assert named - visited == {"/events", "/static//", "/agents/alice/terminal"}


async def test_the_swarm(busy: Swarm, browser: aiohttp.ClientSession) -> None:
    body = await text(browser, "/")
    shown = words(body)
    assert "alice Writes the parser. idle claude-large-5 0 clean 2.5 s, $0.0180 $0.0180" in shown
    assert "manager asks you 5 min left (at page load) question 1" in shown
    assert "manager requests a new agent, carol approval 1" in shown
    assert "alice → operator unread #" in shown
    assert "<title>(2) Swarm · hyperhive</title>" in body


async def test_the_page_of_an_agent(busy: Swarm, browser: aiohttp.ClientSession) -> None:
    shown = words(await text(browser, "/agents/alice"))
    assert shown.lstrip().startswith("← Swarm")
    assert "calls Bash git status" in shown
    assert "refused Bash curl is not allowed" in shown
    assert "end clean 2.5 s, $0.0180, 2,000 tokens" in shown
    assert "Commands git * pytest -q Tools Read Edit" in shown
    assert "Recipients all Network pypi.example:443" in shown
    assert "manager → alice #1 Please write the parser." in shown


async def test_what_an_agent_was_denied(busy: Swarm, browser: aiohttp.ClientSession) -> None:
    assert "Denied on the network" not in words(await text(browser, "/agents/alice"))
    alice = await busy.hive.store.read(lambda tx: tx.agents.by_name("alice"))
    assert alice is not None
    for target in ("evil.example:443", "<b>.example:80"):
        await busy.hive.egress.note_denied(alice.id, "alice", target)
    shown = words(await text(browser, "/agents/alice"))
    section = shown.partition("Denied on the network")[2]
    assert section.index("<b>.example:80") < section.index("evil.example:443")
    assert "evil.example:443" in words(await text(browser, "/audit"))
    assert "Denied on the network" not in words(await text(browser, "/agents/manager"))


async def test_buttons_fit_the_state(busy: Swarm, browser: aiohttp.ClientSession) -> None:
    async def actions() -> set[str]:
        body = await text(browser, "/agents/alice")
        return set(re.findall(r'action="/agents/alice/([a-z-]+)"', body))

    assert await actions() == {"kill", "restart", "new-session", "model", "destroy"}
    await busy.hive.agents.kill("alice")
    assert await actions() == {"start", "new-session", "model", "destroy"}
    await busy.hive.agents.destroy("alice", purge=False)
    assert await actions() == {"revive", "destroy"}
    await busy.hive.agents.destroy("alice", purge=True)
    assert await actions() == set()


async def test_what_is_resolved_is_no_form_any_more(
    busy: Swarm, browser: aiohttp.ClientSession
) -> None:
    await busy.hive.questions.answer(OPERATOR_SENDER, 1, "red")
    await busy.hive.approvals.deny(1, "not now")
    body = await text(browser, "/")
    assert "Nothing waits for you." in body
    assert "/answer-question/" not in body
    shown = words(body)
    assert "manager asked operator answered by operator Which one? red" in shown
    assert "spawn carol for manager denied not now" in shown
    assert "/approve/" not in await text(browser, "/approvals/1")


async def test_messages_by_pages(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    for n in range(103):
        await hive.send("manager", "alice", f"<{n}>")
    await hive.send("alice", "operator", "other")
    first = await text(browser, "/messages?agent=manager")
    assert words(first).count("manager → alice") == 100
    assert "other" not in words(first)
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = await text(browser, html.unescape(older[1]))
    assert [f"<{n}>" in words(second) for n in (0, 1, 2, 3)] == [True, True, True, False]
    assert 'rel="next"' not in second


async def test_mail_that_nobody_gets_is_found_by_its_state(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    await hive.send("manager", "operator", "fine")
    await hive.hive.agents.destroy("alice", purge=False)
    await hive.send("manager", "alice", "too late")
    shown = words(await text(browser, "/messages?state=undeliverable"))
    assert "manager → alice undeliverable" in shown
    assert "too late" in shown
    assert "fine" not in shown


async def test_a_broadcast_is_one_entry(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    await hive.send("alice", "operator", "before")
    await hive.hive.agents.spawn("bob")
    await hive.send("manager", "*", "to all")
    shown = words(await text(browser, "/messages"))
    assert shown.count("to all") == 1
    assert "manager → alice accepted bob accepted #2" in shown


async def test_the_audit_by_pages(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    for _ in range(51):
        await hive.hive.agents.kill("alice")
        await hive.hive.agents.start("alice")
    first = await text(browser, "/audit")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = words(await text(browser, older[1]))
    assert second.count("agent.") == 2


async def test_the_turn_log_from_a_line_on(busy: Swarm, browser: aiohttp.ClientSession) -> None:
    whole = await text(browser, "/agents/alice/log")
    lines = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', whole)]
    assert len(lines) == 4
    rest = await text(browser, f"/agents/alice/log?after={lines[1]}")
    assert [int(seq) for seq in re.findall(r'data-seq="(\d+)"', rest)] == lines[2:]


async def test_a_refresh_leaves_the_log_to_the_log(
    busy: Swarm, browser: aiohttp.ClientSession
) -> None:
    async with browser.get("/agents/alice", headers={"X-Refresh": "yes"}) as answer:
        assert "git status" not in await answer.text()


async def test_an_empty_hive(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    shown = words(await text(browser, "/"))
    for empty in ("Nothing waits for you.", "No message has been sent", "No agent has written"):
        assert empty in shown
    assert "No message here." in words(await text(browser, "/messages?state=dead"))


async def test_the_state_for_programs(busy: Swarm, browser: aiohttp.ClientSession) -> None:
    async with browser.get("/api/state") as answer:
        state = await answer.json()
    assert [a["name"] for a in state["agents"]] == ["manager", "alice"]
    assert state["questions"][0]["seconds_left"] == 300
    assert state["approvals"][0]["kind"] == "spawn"
    assert state["unread"] == 1
    assert state["event"] == await busy.hive.events.last()


async def test_health_needs_no_login(hive: Swarm) -> None:
    async with aiohttp.ClientSession(hive.url) as stranger:
        assert await text(stranger, "/healthz") == "ok\n"


@pytest.mark.parametrize(
    ("path", "status", "what"),
    [
        ("/agents/nobody", 404, "there is no agent 'nobody'"),
        ("/agents/No%20Body", 400, "name: must be 1 to 20"),
        ("/agents/alice/log?after=x", 400, "after: must be a number"),
        ("/approvals/99", 404, "there is no approval 99"),
        ("/approvals/x", 400, "id: must be a number"),
        ("/audit?before=-1", 400, "before: must be a number"),
        ("/messages?before=1e3", 400, "before: must be a number"),
        ("/messages?before=9999999999999999", 400, "before: must be a number"),
        ("/messages?agent=nobody", 404, "there is no agent 'nobody'"),
        ("/messages?agent=%00", 400, "agent: must be 1 to 20"),
        ("/messages?state=lost", 400, "state: must be one of accepted, leased"),
        ("/nowhere", 404, "there is no such page"),
        ("/send", 405, "does not take this method"),
        ("/static/0/main.js", 404, "there is no such file"),
        ("/static/0/../../etc/passwd", 404, "there is no such"),
        ("/agents/%2e%2e%2fetc", 400, "name: must be"),
    ],
)
async def test_wrong_addresses_are_told_what_is_wrong(
    hive: Swarm, browser: aiohttp.ClientSession, path: str, status: int, what: str
) -> None:
    assert what in words(await text(browser, path, status))


async def test_warnings_are_on_every_page(tmp_path: Path) -> None:
    warnings = ("agents can <read> all",)
    async with swarm(tmp_path, warnings=warnings) as made, made.browser() as browser:
        for path in ("/", "/agents/alice", "/messages", "/audit", "/login"):
            assert "agents can &lt;read&gt; all" in await text(browser, path)
