"""Deploys in the browser: logs that grow line by line, buttons, and pages of any width."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from playwright.async_api import expect

from tests.browser.test_layout import FAINT, NAMELESS, OPEN_ALL, TOO_WIDE, TWICE
from tests.support.chromium import Window, browse
from tests.support.deploying import Workshop
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser

HOSTILE = "\x1b[2J<img src=x onerror=alert(1)></pre><script>alert(2)</script>\u202e" + "w" * 400
PAGES = ["/", "/agents/alice", "/agents/manager", "/approvals/5", "/deploys/2", "/deploys/4"]


@pytest.fixture
def hive(shop: Workshop) -> Swarm:
    return shop.made


async def fill(shop: Workshop) -> None:
    """Text without a place to break, wherever there can be text."""
    await shop.deploy("alice", "done", "declare")
    await shop.deploy("alice", "done", "change", error="w" * 400)
    await shop.deploy("manager", "failed", "declare", error="w" * 5_000)
    going_on = await shop.deploy("alice", "building")
    shop.builds.print(going_on.id, f"{HOSTILE}\n" * 5)
    await shop.propose("alice", "b" * 40, "c" * 40, "w" * 400)


# --- the log ---


async def test_lines_appear_as_they_are_printed(shop: Workshop, window: Window) -> None:
    page = window.page
    await shop.deploy("alice", "building")
    await window.show("/deploys/1")
    log = page.locator("#printed pre")
    await expect(log).to_be_empty()
    for n in range(3):
        shop.builds.print(1, f"line {n}\n")
        await expect(log).to_have_text("".join(f"line {m}\n" for m in range(n + 1)))
    shop.builds.print(1, f"{HOSTILE}\n")
    await expect(log).to_contain_text("\\x1b[2J<img src=x onerror=alert(1)></pre><script>")
    await shop.change(1, state="starting")
    await expect(page.locator("h1 + .chip")).to_have_text("starting")
    shop.builds.print(1, "the last line\n")
    await shop.change(1, state="done")
    await expect(page.locator("h1 + .chip")).to_have_text("done")
    await expect(log).to_contain_text("the last line")
    assert await window.eval("[__ran, __violations]") == [[], []]
    assert (
        await window.eval("document.querySelectorAll('#printed img, #printed script').length") == 0
    )


async def test_once_it_is_over_nothing_is_asked_for(shop: Workshop, window: Window) -> None:
    await shop.deploy("alice", "failed")
    shop.builds.print(1, "only this\n")
    await window.show("/deploys/1")
    await shop.made.append("deploy", "alice", {"deploy": 1, "state": "failed"})
    await window.page.wait_for_timeout(2_000)  # four times the pause between two looks
    asked = [url for url in window.requests if "/log?" in url]
    assert len(asked) == 1
    await expect(window.page.locator("#printed pre")).to_have_text("only this\n")


async def test_it_stays_at_the_end_unless_somebody_reads(shop: Workshop, window: Window) -> None:
    await shop.deploy("alice", "building")
    shop.builds.print(1, "".join(f"line {n}\n" for n in range(200)))
    await window.show("/deploys/1")
    log = window.page.locator("#printed pre")
    assert await window.eval(AT_END)
    shop.builds.print(1, "one more\n")
    await expect(log).to_contain_text("one more")
    assert await window.eval(AT_END)
    await window.eval("document.getElementById('printed').scrollTop = 40")
    shop.builds.print(1, "another\n")
    await expect(log).to_contain_text("another")
    assert await window.eval("document.getElementById('printed').scrollTop") == 40


AT_END = """(() => {
  const box = document.getElementById("printed");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 4;
})()"""


async def test_eight_mebibytes_do_not_freeze_the_page(shop: Workshop, window: Window) -> None:
    await shop.deploy("alice", "building")
    line = "building '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a-thing-of-some-length.drv'\n"
    shop.builds.print(1, line * (8 * 2**20 // len(line)))
    began = time.monotonic()
    await window.show("/deploys/1")
    assert time.monotonic() - began < 5
    await window.eval(WATCH)
    log = window.page.locator("#printed pre")
    for n in range(3):
        shop.builds.print(1, line * 20_000 + f"after {n}\n")
        await expect(log).to_contain_text(f"after {n}")
    assert await window.eval("document.querySelector('#printed pre').childNodes.length") == 2_000
    assert await window.eval("__longest") < 1_000


WATCH = """(() => {
  window.__longest = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    window.__longest = Math.max(window.__longest, now - last);
    last = now;
  }, 20);
})()"""


async def test_a_log_that_fails_is_tried_again(
    shop: Workshop, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.deploy("alice", "building")
    await window.show("/deploys/1")
    told = window.page.locator("#printed .problem")
    await expect(told).to_be_empty()
    await window.context.set_offline(True)
    await expect(told).to_have_text("Not read; trying again.")
    await window.context.set_offline(False)
    shop.builds.print(1, "it is back\n")
    await expect(window.page.locator("#printed pre")).to_contain_text("it is back")
    await expect(told).to_be_empty()


async def test_without_script_the_end_of_the_log_is_there(shop: Workshop) -> None:
    await shop.deploy("alice", "building")
    shop.builds.print(1, "\nfirst\nlast\n")
    async with browse(shop.made, java_script_enabled=False) as window:
        page = window.page
        await page.goto(shop.made.url + "/login")
        await page.fill("[name=code]", await shop.made.login_code())
        await page.click("#login button")
        await page.goto(shop.made.url + "/deploys/1")
        assert await page.locator("#printed pre").text_content() == "\nfirst\nlast\n"
        shop.builds.print(1, "more\n")
        await page.get_by_text("Read it again").click()
        await expect(page.locator("#printed pre")).to_contain_text("more")
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#result")).to_have_text("Deploy 1 of alice is cancelled.")
        await expect(page.locator("h1 + .chip")).to_have_text("cancelled")


# --- buttons ---


async def test_the_queue_follows_and_can_be_cancelled(shop: Workshop, window: Window) -> None:
    page = window.page
    await shop.deploy("alice", "done")
    await window.show("/")
    await expect(page.locator("#queue")).to_have_count(0)
    await shop.deploy("alice", "building")
    entry = page.locator("#queued-2")
    await expect(entry).to_contain_text("deploy 2 of alice building")
    await entry.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#result")).to_have_text("Deploy 2 of alice is cancelled.")
    await expect(page.locator("#queue")).to_have_count(0)


async def test_what_is_built_at_last_can_be_used(shop: Workshop, window: Window) -> None:
    page = window.page
    await shop.deploy("alice", "building")
    await shop.made.start("alice")
    await window.show("/agents/alice")
    await expect(page.locator("#terminal button:visible")).to_have_count(0)
    await expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    await shop.deploy("alice", "done")
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    await page.click("#terminal [data-user=agent]")
    await expect(page.locator("#terminal .xterm-rows")).to_contain_text(re.compile("[#$]"))


async def test_update_and_back(shop: Workshop, window: Window) -> None:
    page = window.page
    for number, files in enumerate(("one", "two"), 1):
        commit = await shop.commit("alice", files)
        await shop.configs.settle("alice", number, commit)
        await shop.deploy("alice", "done", commit=commit)
    await window.show("/agents/alice")
    await page.get_by_role("button", name="Update").click()
    await expect(page.locator("#result")).to_have_text("alice is being updated: deploy 3.")
    await expect(page.locator("#deploy-3 .chip").first).to_have_text("queued")
    await expect(page.get_by_role("button", name="Update")).to_have_count(0)
    await page.locator("#deploy-3").get_by_role("button", name="Cancel").click()
    await page.locator("#deploy-1").get_by_role("button", name="Roll back to this").click()
    told = "alice goes back to what deploy 1 ran: deploy 4."
    await expect(page.locator("#result")).to_have_text(told)
    await expect(page.locator("#deploy-4")).to_contain_text("rollback by operator")


async def test_another_deploy_goes_on_already(shop: Workshop, window: Window) -> None:
    """The page did not know of it yet."""
    page = window.page
    for files in ("one", "two"):
        await shop.deploy("alice", "done", commit=await shop.commit("alice", files))
    await window.show("/agents/alice")
    await page.route("**/agents/alice", lambda route: route.abort())  # it does not refresh
    await shop.deploy("alice", "starting")
    await page.locator("#deploy-1").get_by_role("button", name="Roll back to this").click()
    told = page.locator("#rollback-1 .outcome")
    await expect(told).to_have_text("deploy 3 of alice is starting; cancel it, or wait")


async def test_a_deploy_as_it_is_carried_out(shop: Workshop, window: Window) -> None:
    page, parts = window.page, shop.made.hive.need_deploying()
    goes_on = asyncio.Event()

    async def hold(_: str) -> None:
        await goes_on.wait()

    shop.builds.step = hold
    await shop.deploy("alice", "done", commit=await shop.commit("alice", "throw it is broken"))
    carrying_out = asyncio.create_task(parts.deployer.run())
    try:
        await window.show("/agents/alice")
        await page.get_by_role("button", name="Update").click()
        await expect(page.locator("#deploy-2 .chip").first).to_have_text("evaluating")
        await page.locator("#deploy-2").get_by_role("link").click()
        await expect(page.locator("#printed pre")).to_have_text("evaluating alice\n")
        goes_on.set()
        await expect(page.locator("h1 + .chip")).to_have_text("failed")
        await expect(page.locator(".failure")).to_have_text("error: it is broken")
        await expect(page.locator("#printed pre")).to_contain_text("error: it is broken")
    finally:
        carrying_out.cancel()
        await asyncio.gather(carrying_out, return_exceptions=True)


# --- layout ---


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
async def test_every_page_fits_and_can_be_read(shop: Workshop, width: int, scheme: str) -> None:
    await fill(shop)
    view = {"width": width, "height": 800}
    async with browse(shop.made, viewport=view, color_scheme=scheme) as window:
        await window.login()
        for path in PAGES:
            await window.show(path)
            await window.eval(OPEN_ALL)
            assert await window.eval(TOO_WIDE) == [], path
            assert await window.eval("document.documentElement.scrollWidth") <= width
            assert await window.eval(NAMELESS) == [], path
            assert await window.eval(TWICE) == [], path
            assert await window.eval(FAINT) == [], path
            assert await window.page.locator("h1").count() == 1
