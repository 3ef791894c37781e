"""Every page fits a phone, in light and dark, and can be used by keyboard and by ear."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from hyperhive.protocol.verbs import TurnEvent
from tests.support.chromium import browse
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser

PAGES = ["/", "/agents/alice", "/approvals/1", "/messages", "/audit", "/agents/nobody"]
LONG = "w" * 400


async def fill(hive: Swarm) -> None:
    """Text without a place to break, wherever there can be text."""
    alice = await hive.start("alice")
    await hive.hive.agents.spawn("a" * 20, LONG)
    await hive.ask("manager", LONG, options=("o" * 200,), ttl_seconds=300)
    await hive.request_spawn("b" * 20, LONG)
    await hive.send("manager", "alice", LONG)
    await hive.send("alice", "*", LONG * 5)
    turn = await hive.begin("alice", alice)
    event = TurnEvent(kind="tool_use", tool="t" * 200, text=LONG)
    await hive.report("alice", alice, turn, event)
    await hive.end("alice", alice, turn, result="failed", error=LONG)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (320, "dark"), (1280, "light")])
async def test_nothing_is_wider_than_the_window(hive: Swarm, width: int, scheme: str) -> None:
    await fill(hive)
    view = {"width": width, "height": 800}
    async with browse(hive, viewport=view, color_scheme=scheme) as window:
        await window.login()
        for path in PAGES:
            await window.page.goto(hive.url + path)
            await window.eval(OPEN_ALL)
            assert await window.eval(TOO_WIDE) == [], path
            assert await window.eval("document.documentElement.scrollWidth") <= width


OPEN_ALL = "for (const part of document.querySelectorAll('details')) part.open = true"
TOO_WIDE = """[...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
  .filter((e) => !e.closest(".hidden, .skip, .cut, thead"))
  .map((e) => e.outerHTML.slice(0, 100))"""


async def test_every_field_has_a_name_and_every_button_a_word(hive: Swarm) -> None:
    await fill(hive)
    async with browse(hive) as window:
        await window.login()
        for path in [*PAGES, "/login"]:
            await window.page.goto(hive.url + path)
            await window.eval(OPEN_ALL)
            assert await window.eval(NAMELESS) == [], path
            assert await window.eval(TWICE) == [], path
            assert await window.page.locator("h1").count() == 1


NAMELESS = """[...document.querySelectorAll("input, select, textarea, button")]
  .filter((e) => e.type !== "hidden" && e.checkVisibility())
  .filter((e) => !(e.labels?.[0]?.textContent || e.textContent).trim())
  .map((e) => e.outerHTML)"""
TWICE = """[...document.querySelectorAll("[id]")].map((e) => e.id)
  .filter((id, index, all) => all.indexOf(id) !== index)"""


async def test_the_keyboard_is_enough_and_shows_where_it_is(hive: Swarm) -> None:
    await hive.ask("manager", "Which?", options=("a", "b"))
    async with browse(hive) as window:
        await window.login()
        await window.show("/")
        page = window.page
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.focus("#answer-1 [value='none']")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Tab")
        await page.keyboard.type("and this")
        await page.keyboard.press("Tab")
        outline = await window.eval("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await expect(page.locator("#result")).to_contain_text("Question 1 of manager is answered")
    question = await hive.hive.store.read(lambda tx: tx.questions.get(1))
    assert question is not None
    assert question.answer == "b, and this"


async def test_what_was_said_of_a_request_has_the_whole_line(hive: Swarm) -> None:
    approval = await hive.request_spawn("bob", "to help")
    await hive.hive.approvals.deny(approval, "there are enough that help already " * 2)
    async with browse(hive, viewport={"width": 1280, "height": 800}) as window:
        await window.login()
        await window.show(f"/approvals/{approval}")
        note = await window.page.locator(".pairs .said").bounding_box()
        assert note is not None
        assert note["height"] < 30, "pixels, of one line"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_stand_out_from_their_ground(hive: Swarm, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    await fill(hive)
    async with browse(hive, color_scheme=scheme) as window:
        await window.login()
        for path in PAGES:
            await window.page.goto(hive.url + path)
            assert await window.eval(FAINT) == [], path


FAINT = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.checkVisibility() && !e.closest(".hidden, .skip"))
    .filter((e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((e) => {
      const ink = rgb(getComputedStyle(e).color);
      const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e];
    })
    .filter(([contrast]) => contrast < 4.5)
    .map(([contrast, e]) => `${contrast.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
}"""
