"""What agents write is shown as they wrote it, runs nothing and asks for nothing."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.async_api import expect

from hyperhive.dashboard.text import cut, visible
from hyperhive.protocol.link import Hello
from hyperhive.protocol.verbs import SelfCheck, TurnEvent
from tests.support.chromium import Window
from tests.support.payloads import bundles, payloads
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser

SHOWN = (
    """() => [...document.querySelectorAll(".text, .about, .log b")].map((e) => e.textContent)"""
)
STRANGE = """() => [...document.querySelectorAll(
  "main :is(img, iframe, object, embed, video, audio, svg, math, style, script, link, base, meta,"
  + " portal, marquee, template, noscript:not(#terminal > .row > *), [onclick], [onload],"
  + " [onerror], [style], [ping]),"
  + " main a:not([href^='/'])")].map((element) => element.outerHTML)"""


async def look(window: Window, path: str) -> Counter[str]:
    """Every text on the page; fails when one of them did anything."""
    await window.show(path)
    await harmless(window)
    return Counter(await window.eval(SHOWN))


async def harmless(window: Window) -> None:
    assert await window.eval("window.__ran") == []
    assert await window.eval("window.__violations") == []
    assert await window.eval(STRANGE) == []
    assert [url for url in window.requests if not url.startswith(window.swarm.url)] == []
    assert window.errors == []


def missing(texts: list[str], shown: Counter[str]) -> list[str]:
    return [text for text in texts if visible(text) not in shown]


async def test_there_are_two_hundred_texts() -> None:
    assert len(set(payloads())) == 200
    assert sum(bundle.count("\n") for bundle in bundles(2_000)) >= 200


async def test_messages_and_the_ones_that_arrive_while_looking(hive: Swarm, window: Window) -> None:
    for payload in payloads():
        await hive.send("alice", "operator", payload)
    await window.show("/messages")
    older = await window.page.get_attribute("a[rel=next]", "href")
    assert older is not None
    shown = await look(window, "/messages") + await look(window, older)
    assert missing(payloads(), shown) == []
    await window.show("/")
    for payload in payloads()[:40]:
        await hive.send("manager", "operator", f"live {payload}")
    await expect(window.page.locator(".letters").first).to_contain_text(payloads()[39])
    shown = Counter(await window.eval(SHOWN))
    assert missing([f"live {p}" for p in payloads()[:40]], shown) == []
    await harmless(window)


async def test_questions_options_and_answers(hive: Swarm, window: Window) -> None:
    for payload in payloads():
        option = payload.encode()[:200].decode(errors="ignore")
        await hive.ask("alice", payload, options=(option,), multi=True)
    asked = [await hive.ask("manager", bundle, to="alice") for bundle in bundles(20_000)]
    alice = await hive.sender("alice")
    for number, bundle in zip(asked, bundles(20_000), strict=True):
        await hive.hive.questions.answer(alice, number, bundle)
    shown = await look(window, "/")
    assert missing(payloads(), shown) == []
    assert missing([p for p in payloads() if len(p) <= 200], shown) == []
    folded = Counter({visible(bundle): 1 for bundle in bundles(20_000)})
    assert folded - shown == Counter()


async def test_the_turn_log(hive: Swarm, window: Window) -> None:
    alice = await hive.start("alice")
    await hive.send("manager", "alice", "go")
    turn = await hive.begin("alice", alice)
    for payload in payloads()[:190]:
        tool = payload.encode()[:200].decode(errors="ignore")
        event = TurnEvent(kind="tool_result", tool=tool, text=payload)
        await hive.report("alice", alice, turn, event)
    shown = await look(window, "/agents/alice")
    assert missing(payloads()[:190], shown) == []
    for payload in payloads()[190:]:
        await hive.report("alice", alice, turn, TurnEvent(kind="text", text=payload))
    await hive.end("alice", alice, turn, result="failed", error=bundles(4_000)[0])
    await expect(window.page.locator("#log .line").last).to_contain_text("failed")
    shown = Counter(await window.eval(SHOWN))
    assert missing([*payloads()[190:], bundles(4_000)[0]], shown) == []
    await harmless(window)


@pytest.fixture
async def spawned(hive: Swarm) -> list[str]:
    """Agents that were asked for, and report what is wrong with them, in such words."""
    names = []
    for number, (description, problem) in enumerate(
        zip(bundles(2_000), bundles(2_000), strict=True)
    ):
        name = f"agent-{number}"
        approval = await hive.request_spawn(name, description)
        await hive.hive.approvals.approve(approval)
        agent = await hive.agent(name)
        hello = Hello(protocol=1, instance=f"instance-{number}", version="1")
        await hive.hive.turns.hello(agent.id, hello)
        unfit = SelfCheck(ok=False, problem=problem)
        await hive.hive.turns.self_check(agent.id, hello.instance, unfit)
        names.append(name)
    return names


async def test_descriptions_and_problems(hive: Swarm, window: Window, spawned: list[str]) -> None:
    begun = Counter(cut(visible(bundle)) for bundle in bundles(2_000))
    assert begun - await look(window, "/") == Counter()
    for name, bundle in zip(spawned, bundles(2_000), strict=True):
        shown = await look(window, f"/agents/{name}")
        assert missing([bundle], shown) == []
        header = await window.page.text_content(".title")
        assert header is not None
        assert visible(bundle) in header


async def test_requests_and_the_reasons_against_them(hive: Swarm, window: Window) -> None:
    for number, bundle in enumerate(bundles(2_000)):
        denied = await hive.request_spawn(f"agent-{number}", bundle)
        await hive.hive.approvals.deny(denied, bundle)
        await hive.request_spawn(f"agent-{number}", bundle)
        shown = await look(window, f"/approvals/{denied}")
        assert shown[visible(bundle)] == 2
    shown = await look(window, "/")
    assert missing(bundles(2_000), shown) == []
    shown = await look(window, "/audit")
    assert missing(bundles(2_000), shown) == []


# --- a question that plays the dashboard ---

IMITATION = (
    "Already approved by the operator. \u2705\n\n"
    "[ Approve ]  [ Deny ]\n<button>Approve</button> <a href='/approve/1'>Approve</a>\n"
    "https://example.test/approve [click](https://example.test)\n"
    "Approval 1 - 0 s left - approved\n</blockquote></article><h2>Waiting for you</h2>\n"
)


async def test_a_question_stays_in_its_frame(hive: Swarm, window: Window) -> None:
    text = IMITATION + "." * (50_000 - len(IMITATION))
    asked = await hive.ask("alice", text, ttl_seconds=3_600)
    await window.show("/")
    card = window.page.locator(f"#question-{asked}")
    frame = card.locator("blockquote")
    assert await frame.locator(".text").text_content() == text
    assert await frame.locator("button, a, input, form, h2").count() == 0
    await expect(frame).to_have_attribute("aria-label", "written by alice")
    await expect(card.locator("header")).to_contain_text("alice asks you")
    await expect(frame.locator("details")).not_to_have_attribute("open", "")
    height = await card.evaluate("card => card.getBoundingClientRect().height")
    assert height < 500
    await frame.locator("summary").click()
    assert await card.evaluate("card => card.getBoundingClientRect().height") < 900
    buttons = card.locator("button")
    assert await buttons.all_text_contents() == ["Answer", "Cancel the question"]
    await harmless(window)


async def test_text_cannot_paint_over_its_neighbours(hive: Swarm, window: Window) -> None:
    """A letter with a thousand marks stacked on it stays within the box of its message."""
    await hive.send("alice", "operator", "x" + "\u0301\u0330" * 1_000)
    await window.show("/")
    said = window.page.locator(".letters .said").first
    assert await said.evaluate("said => getComputedStyle(said).overflow") == "hidden"
    assert "paint" in await said.evaluate("said => getComputedStyle(said).contain") or (
        await said.evaluate("said => getComputedStyle(said).contain") == "content"
    )
