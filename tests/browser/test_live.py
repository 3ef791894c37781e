"""The page follows the swarm, and leaves alone what the operator is doing."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from hyperhive.dashboard.live import STREAMS
from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.protocol.verbs import TurnEvent
from tests.support.chromium import Window
from tests.support.swarm import Swarm
from tests.support.wait import wait_for

pytestmark = pytest.mark.browser


async def test_what_happens_appears(hive: Swarm, window: Window) -> None:
    page = window.page
    await window.show("/")
    await hive.send("alice", "operator", "look at this")
    await expect(page.locator("#inbox + form + .letters")).to_contain_text("look at this")
    asked = await hive.ask("manager", "Which?", options=("a", "b"))
    await expect(page.locator(f"#question-{asked}")).to_contain_text("manager asks you")
    await expect(page).to_have_title("(1) Swarm · hyperhive")
    await hive.request_spawn("carol")
    await expect(page.locator("#approval-1")).to_contain_text("a new agent, carol")
    await hive.start("alice")
    await expect(page.locator("#agent-alice .chip").first).to_have_text("idle")
    await hive.hive.questions.answer(OPERATOR_SENDER, asked, "a")
    await expect(page.locator(f"#question-{asked}")).to_have_count(0)


async def test_a_click_on_text_stops_nothing(hive: Swarm, window: Window) -> None:
    """It gives the focus to the whole page, which is no field that is being filled in."""
    page = window.page
    await window.show("/")
    await page.click("#waiting")
    assert await window.eval("document.activeElement.id") == "page"
    await hive.ask("manager", "Which?")
    await expect(page.locator("#question-1")).to_contain_text("manager asks you")


async def test_typed_text_focus_and_open_parts_survive(hive: Swarm, window: Window) -> None:
    page = window.page
    asked = await hive.ask("manager", "Which?", options=("a", "b"))
    await hive.ask("manager", "And?", options=("c", "d"), multi=True)
    await window.show("/")
    await page.click("#spawn > summary")
    await page.fill("#spawn-form [name=name]", "dora")
    await page.check("#answer-2 [value='1']")
    await page.check("#answer-1 [value='0']")
    await page.select_option("#send select", "alice")
    field = page.locator(f"#answer-{asked} textarea")
    await field.fill("half a sentence")
    await field.press("Home")
    key = await page.input_value("#send [name=key]")
    for n in range(3):
        await hive.send("alice", "operator", f"message {n}")
        await expect(page.locator(f".letters >> text=message {n}").first).to_be_visible()
    await expect(field).to_be_focused()
    await expect(field).to_have_value("half a sentence")
    assert await field.evaluate("field => field.selectionStart") == 0
    await page.keyboard.type("my ")
    await expect(field).to_have_value("my half a sentence")
    await expect(page.locator("#spawn")).to_have_attribute("open", "")
    await expect(page.locator("#spawn-form [name=name]")).to_have_value("dora")
    await expect(page.locator("#answer-2 [value='1']")).to_be_checked()
    await expect(page.locator("#answer-1 [value='0']")).to_be_checked()
    await expect(page.locator("#send select")).to_have_value("alice")
    assert await page.input_value("#send [name=key]") == key


async def test_the_turn_log_grows(hive: Swarm, window: Window) -> None:
    alice = await hive.start("alice")
    await hive.send("manager", "alice", "go")
    await window.show("/agents/alice")
    log = window.page.locator("#log .line")
    await expect(log).to_have_count(0)
    turn = await hive.begin("alice", alice)
    await expect(window.page.locator(".title .chip")).to_have_text("working")
    for n in range(30):
        event = TurnEvent(kind="tool_use", tool="Bash", text=f"echo {n}")
        await hive.report("alice", alice, turn, event)
    await expect(log).to_have_count(31)
    await expect(log.last).to_contain_text("echo 29")
    await expect(log.last).to_be_in_viewport()
    await hive.end("alice", alice, turn)
    await expect(log.last).to_contain_text("clean")
    numbers = await log.evaluate_all("lines => lines.map((line) => Number(line.dataset.seq))")
    assert numbers == sorted(set(numbers))
    await expect(window.page.locator(".title .chip")).to_have_text("idle")


async def test_who_reads_back_in_the_log_is_not_pulled_away(hive: Swarm, window: Window) -> None:
    alice = await hive.start("alice")
    await hive.send("manager", "alice", "go")
    turn = await hive.begin("alice", alice)
    many = [TurnEvent(kind="text", text=f"line {n}") for n in range(60)]
    await hive.report("alice", alice, turn, *many)
    await window.show("/agents/alice")
    box, unseen = window.page.locator("#logbox"), window.page.locator(".unseen")
    await box.evaluate("box => { box.scrollTop = 0; }")
    await hive.report("alice", alice, turn, TurnEvent(kind="text", text="newest"))
    await expect(unseen).to_have_text("1 new below")
    assert await box.evaluate("box => box.scrollTop") == 0
    await unseen.click()
    await expect(unseen).to_be_hidden()
    await expect(window.page.locator("#log .line").last).to_be_in_viewport()


async def test_the_log_keeps_two_hundred_lines(hive: Swarm, window: Window) -> None:
    alice = await hive.start("alice")
    await hive.send("manager", "alice", "go")
    turn = await hive.begin("alice", alice)
    for start in range(0, 256, 64):
        many = [TurnEvent(kind="text", text=f"line {start + n}.") for n in range(64)]
        await hive.report("alice", alice, turn, *many)
    await window.show("/agents/alice")
    lines = window.page.locator("#log .line")
    await expect(lines).to_have_count(200)
    await hive.report("alice", alice, turn, TurnEvent(kind="text", text="newest"))
    await expect(lines.last).to_contain_text("newest")
    await expect(lines).to_have_count(200)
    await expect(lines.first).to_contain_text("line 57.")


async def test_a_broken_stream_comes_back_where_it_was(hive: Swarm, window: Window) -> None:
    await window.show("/")
    hive.app[STREAMS].end()
    await hive.send("alice", "operator", "meanwhile")
    await expect(window.page.locator(".letters >> text=meanwhile").first).to_be_visible()
    await expect(window.page.locator("#live")).to_have_text("live")


async def test_a_hidden_tab_gives_its_connection_back(hive: Swarm, window: Window) -> None:
    await window.show("/")
    await wait_for(lambda: len(hive.app[STREAMS]) == 1)
    await window.eval(VISIBILITY % "hidden")
    await wait_for(lambda: len(hive.app[STREAMS]) == 0)
    await hive.send("alice", "operator", "meanwhile")
    await window.eval(VISIBILITY % "visible")
    await expect(window.page.locator(".letters >> text=meanwhile").first).to_be_visible()


VISIBILITY = """() => {
  Object.defineProperty(document, "visibilityState", { value: "%s", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_a_page_older_than_the_log_is_made_anew(hive: Swarm, window: Window) -> None:
    await window.show("/")
    await window.eval(VISIBILITY % "hidden")
    await hive.send("alice", "operator", "long ago")
    later = hive.clock.now() + 1
    await hive.hive.store.write(lambda tx: tx.retention.events(later, later, 0, 1_000))
    await window.eval(VISIBILITY % "visible")
    await expect(window.page.locator(".letters >> text=long ago").first).to_be_visible()


async def test_a_burst_is_few_requests(hive: Swarm, window: Window) -> None:
    await window.show("/")
    window.requests.clear()
    for n in range(200):
        await hive.send("alice", "manager", f"number {n}.")
    await expect(window.page.locator(".letters >> text=number 199.")).to_be_visible()
    pages = [url for url in window.requests if url == f"{hive.url}/"]
    assert 1 <= len(pages) < 60


async def test_who_is_logged_out_is_told(hive: Swarm, window: Window) -> None:
    await window.show("/")
    hive.clock.forward(31 * 86_400)
    await hive.append("message", "alice", {"from": "x"})
    await expect(window.page.locator("#live")).to_contain_text("logged out")
    await window.page.click("#send summary, #bar .brand")
    await expect(window.page.locator("h1")).to_have_text("Log in")


async def test_remaining_time_runs(hive: Swarm, window: Window) -> None:
    await window.page.clock.install()  # time goes on, and can be put forward
    await hive.ask("manager", "Which?", ttl_seconds=300)
    await window.show("/")
    left = window.page.locator("#question-1 [data-seconds]")
    await expect(left).to_have_text(re.compile(r"(5 min|4 min [3-5]\d s) left"))
    await window.page.clock.run_for(61_000)
    await expect(left).to_have_text(re.compile(r"3 min [2-5]\d s left"))
    hive.clock.forward(200)
    await hive.send("alice", "operator", "refresh, please")
    await window.page.clock.run_for(1_000)
    await expect(window.page.locator(".letters >> text=refresh, please").first).to_be_visible()
    await expect(left).to_have_text(re.compile(r"1 min (40|[1-3]?\d) s left"))
    await window.page.clock.run_for(101_000)
    await expect(left).to_have_text("time is up")
