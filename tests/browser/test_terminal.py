"""The terminal of an agent's page in Chromium, with a real shell behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.chromium import Window, browse
from tests.support.swarm import Swarm
from tests.support.wait import wait_for

pytestmark = pytest.mark.browser

LINES = """
() => [...document.querySelectorAll("#terminal .xterm-rows > div")].map((row) => row.textContent)
"""


async def open_terminal(window: Window) -> None:
    await window.swarm.start("alice")
    await window.show("/agents/alice")
    await window.page.click("#terminal [data-user=agent]")
    await see(window, r"[#$] ?$")


async def lines(window: Window) -> list[str]:
    """What is on the screen, a text for each row that is not empty."""
    shown = [line.replace("\N{NO-BREAK SPACE}", " ").rstrip() for line in await window.eval(LINES)]
    return [line for line in shown if line]


async def see(window: Window, pattern: str, seconds: float = 15) -> re.Match[str]:
    async def found() -> re.Match[str] | None:
        return re.search(pattern, "\n".join(await lines(window)), re.MULTILINE)

    return await wait_for(found, seconds, f"{pattern} on the screen")


async def type_line(window: Window, text: str) -> None:
    await window.page.keyboard.insert_text(text)
    await window.page.keyboard.press("Enter")


async def told(window: Window) -> str:
    return str(await window.page.text_content("#terminal .told"))


async def check_clean(window: Window) -> None:
    assert await window.eval("window.__violations") == []
    assert window.errors == []
    assert [url for url in window.requests if not url.startswith(window.swarm.url)] == []


async def test_typing_and_seeing(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "echo h\N{LATIN SMALL LETTER E WITH ACUTE}''llo \N{SNOWMAN}")
    await see(window, "^h\N{LATIN SMALL LETTER E WITH ACUTE}llo \N{SNOWMAN}$")
    await type_line(window, r"printf '\303'; sleep 0.2; printf '\251t\303\251\n'")
    await see(window, "^\N{LATIN SMALL LETTER E WITH ACUTE}t\N{LATIN SMALL LETTER E WITH ACUTE}$")
    await type_line(window, r"printf '\033[38;2;255;0;0mred\033[0m \033[1;44mbold\033[0m\n'")
    await see(window, "^red bold$")
    colours = await window.eval(
        "[...document.querySelectorAll('.xterm-rows span')].filter((s) => s.textContent === 'red')"
        ".map((s) => getComputedStyle(s).color)"
    )
    red, green, _ = map(int, re.findall(r"\d+", colours[0])[:3])
    assert red > 150 > green
    await check_clean(window)


async def test_it_fits_its_place_and_says_so_to_the_shell(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "stty size")
    wide = int((await see(window, r"^(\d+) (\d+)$"))[2])
    await window.page.set_viewport_size({"width": 700, "height": 700})

    async def narrow() -> bool:
        await type_line(window, "clear; stty size")
        return 40 < int((await see(window, r"^(\d+) (\d+)$"))[2]) < wide

    await wait_for(narrow, 10)
    await check_clean(window)


async def test_the_prompt_comes_after_a_flood(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "yes 'a line of a flood' | head -c 20000000; echo; echo do''ne")
    await see(window, "^done$", 60)
    await type_line(window, "echo st''ill")
    await see(window, "^still$")
    await check_clean(window)


async def test_a_flood_is_interrupted(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "yes")
    await see(window, "^y\ny\ny$")
    await window.page.keyboard.press("Control+c")
    await type_line(window, "clear; echo qu''iet")
    await see(window, "^quiet$", 30)


async def test_a_big_paste_arrives_whole(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "stty -icanon -echo; echo rea''dy; head -c 1000000 | cksum")
    await see(window, "^ready$")
    await window.eval(
        "() => { const data = new DataTransfer(); data.setData('text/plain', 'pasted 9\\n'"
        ".repeat(111112)); document.querySelector('.xterm-helper-textarea').dispatchEvent("
        "new ClipboardEvent('paste', { clipboardData: data, bubbles: true })); }"
    )
    await see(window, r"^\d+ 1000000$", 60)
    await check_clean(window)


async def test_the_end_is_told_and_it_opens_again(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "exit")
    await window.page.wait_for_selector("#terminal [data-user=agent]:visible")
    assert await told(window) == "Not connected: the shell has ended."
    button = window.page.locator("#terminal [data-user=agent]")
    assert await button.text_content() == "Reconnect"
    assert await button.evaluate("(element) => element === document.activeElement")
    await button.press("Enter")
    await see(window, r"[#$] ?$")
    await type_line(window, "echo ag''ain")
    await see(window, "^again$")
    await window.page.click("#terminal .close")
    await wait_for(lambda: _told(window, "Not connected: closed."))
    await check_clean(window)


async def _told(window: Window, text: str) -> bool | None:
    return await told(window) == text or None


async def test_a_refusal_is_told(window: Window) -> None:
    await window.show("/agents/alice")
    await window.page.click("#terminal [data-user=agent]")
    await wait_for(lambda: _told(window, "Not connected: alice does not run, or not for agent."))
    await check_clean(window)


async def test_it_outlives_changes_of_the_page(window: Window) -> None:
    await open_terminal(window)
    await type_line(window, "echo be''fore")
    await see(window, "^before$")
    await window.swarm.send("manager", "alice", "news")
    await window.page.wait_for_selector("text=news")
    await type_line(window, "echo af''ter")
    await see(window, "^before$")
    await see(window, "^after$")


async def test_the_keyboard_gets_out(window: Window) -> None:
    await open_terminal(window)
    label = await window.page.get_attribute("#terminal .screen", "aria-label")
    assert label == "Terminal of alice"
    await window.page.keyboard.press("Tab")
    assert await window.eval("document.activeElement.className") == "xterm-helper-textarea"
    await window.page.keyboard.press("Control+F6")
    assert await window.eval("document.activeElement.className") == "close"


async def test_without_javascript_there_is_a_hint(hive: Swarm) -> None:
    async with browse(hive, java_script_enabled=False) as window:
        await window.page.goto(f"{hive.url}/login")
        await window.page.fill("[name=code]", await hive.login_code())
        await window.page.click("main button")
        await window.page.goto(f"{hive.url}/agents/alice")
        assert "hyperhive shell alice" in await window.page.inner_text("#terminal")
        assert await window.page.locator("#terminal button:visible").count() == 0


async def test_a_phone_and_its_shell_agree_on_the_width(hive: Swarm) -> None:
    """A phone finds its size while the connection is being made."""
    phone = {"is_mobile": True, "has_touch": True, "device_scale_factor": 3}
    async with browse(hive, viewport={"width": 390, "height": 844}, **phone) as window:
        await window.login()
        await open_terminal(window)
        await type_line(window, "stty size")
        columns = int((await see(window, r"^(\d+) (\d+)$"))[2])
        await type_line(window, "clear; yes '' | head -n 3; printf '%.0s=' {1..200}; echo")
        assert len((await see(window, "^=+$"))[0]) == columns
        await check_clean(window)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_shows_it_without_scrolling_sideways(
    hive: Swarm, tmp_path: Path, scheme: str
) -> None:
    size = {"width": 390, "height": 844}
    async with browse(hive, viewport=size, color_scheme=scheme) as window:
        await window.login()
        await open_terminal(window)
        await type_line(window, "stty size; ls --color=always -la /")
        await see(window, "usr$")
        page = await window.eval("document.documentElement.scrollWidth")
        inner = await window.page.locator("#terminal .xterm-screen").bounding_box()
        outer = await window.page.locator("#terminal .screen").bounding_box()
        assert inner is not None
        assert outer is not None
        assert page <= 390
        assert outer["x"] <= inner["x"]
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
        await window.page.screenshot(path=tmp_path / f"{scheme}.png")
        await check_clean(window)
