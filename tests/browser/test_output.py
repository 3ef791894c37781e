"""The log of an agent's harness on its page: text, and read again when asked for."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.chromium import Window, browse
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser

HOSTILE = "\x1b[2J<img src=x onerror=alert(1)></pre><script>alert(2)</script>\u202e" + "w" * 400


async def test_it_is_read_again_and_stays_text(hive: Swarm, window: Window) -> None:
    hive.written["alice"] = [f"line {n}" for n in range(199)] + [HOSTILE]
    await window.show("/agents/alice")
    page = window.page
    await page.get_by_text("Show it").click()
    box = page.locator("#output")
    await expect(box).to_contain_text("\\x1b[2J<img src=x onerror=alert(1)></pre>")
    await expect(page.get_by_text("line 0", exact=False).first).to_be_visible()
    hive.written["alice"].append("the newest line")
    await page.get_by_text("Read it again").click()
    await expect(box).to_contain_text("the newest line")
    assert await window.eval(AT_END)
    await hive.send("manager", "alice", "hello")  # the page refreshes around it
    await expect(page.locator("#page")).to_contain_text("hello")
    await expect(box).to_contain_text("the newest line")
    assert await window.eval("[__ran, __violations]") == [[], []]
    assert await window.eval("document.querySelectorAll('#output img, #output script').length") == 0


AT_END = """(() => {
  const box = document.getElementById("output");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 4;
})()"""


async def test_the_notice_of_little_space_comes_and_goes(hive: Swarm, window: Window) -> None:
    await window.show("/messages")
    notice = window.page.locator("#notice")
    await expect(notice).to_be_empty()
    hive.hive.storage.level, hive.hive.storage.free = "low", 0.07
    await hive.append("storage", None, {"level": "low"})
    await expect(notice).to_have_text("Only 7% of the disk is free: no turn starts until 12% are.")
    hive.hive.storage.level = "enough"
    await hive.append("storage", None, {"level": "enough"})
    await expect(notice).to_be_empty()


@pytest.mark.parametrize("width", [390, 1280])
async def test_it_fits_the_window(hive: Swarm, width: int) -> None:
    hive.written["alice"] = [HOSTILE]
    async with browse(hive, viewport={"width": width, "height": 800}) as window:
        await window.login()
        await window.show("/agents/alice")
        await window.page.get_by_text("Show it").click()
        assert await window.eval("document.documentElement.scrollWidth") <= width
