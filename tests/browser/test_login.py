"""The link logs in; without script the code is pasted, and every form works as well."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.chromium import browse
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser


async def test_the_link_logs_in_and_leaves_no_trace(hive: Swarm) -> None:
    async with browse(hive) as window:
        code = await hive.login_code()
        await window.page.goto(f"{hive.url}/login#{code}")
        await expect(window.page.locator("#result")).to_have_text("You are logged in.")
        await expect(window.page.locator("#live")).to_have_text("live")
        await window.page.go_back()
        assert code not in window.page.url
        assert not [url for url in window.requests if code in url.partition("#")[0]]
        (cookie,) = await window.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert await window.eval("document.cookie") == ""


async def test_a_used_link_says_so_and_a_new_one_logs_in(hive: Swarm) -> None:
    async with browse(hive) as window:
        await window.page.goto(f"{hive.url}/login#used")
        await expect(window.page.locator(".outcome")).to_contain_text("unknown, used or expired")
        await expect(window.page.locator("#login button")).to_be_enabled()
        await window.page.goto(f"{hive.url}/login#{await hive.login_code()}")
        await expect(window.page.locator("#result")).to_have_text("You are logged in.")


async def test_the_link_again_leads_to_the_swarm(hive: Swarm) -> None:
    async with browse(hive) as window:
        code = await hive.login_code()
        for _ in range(2):
            await window.page.goto(f"{hive.url}/login#{code}")
            await expect(window.page.locator("#live")).to_have_text("live")
            await expect(window.page.locator(".outcome", has_text="unknown")).to_have_count(0)
            assert code not in window.page.url


async def test_logging_out(hive: Swarm) -> None:
    async with browse(hive) as window:
        await window.login()
        await window.show("/")
        await window.page.click("text=Log out")
        await expect(window.page.locator("h1")).to_have_text("Log in")
        await window.page.goto(hive.url)
        await expect(window.page.locator("h1")).to_have_text("Log in")


async def test_all_of_it_without_script(hive: Swarm) -> None:
    await hive.ask("manager", "Which?", options=("red", "blue"), ttl_seconds=300)
    await hive.request_spawn("carol")
    async with browse(hive, java_script_enabled=False) as window:
        page = window.page
        await page.goto(f"{hive.url}/")
        await page.fill("[name=code]", await hive.login_code())
        await page.click("#login button")
        await expect(page.locator("#result")).to_have_text("You are logged in.")
        await expect(page.locator("#question-1 header")).to_contain_text(
            "5 min left (at page load)"
        )
        await page.check("#answer-1 [value='1']")
        await page.click("#answer-1 button.primary")
        await expect(page.locator("#result")).to_contain_text("Question 1 of manager is answered")
        await page.fill("#decide-1 textarea", "welcome")
        await page.click("#decide-1 button.primary")
        await expect(page.locator("#result")).to_have_text("Approved: spawn carol.")
        await page.click("text=← Swarm")
        await page.fill("#send textarea", "\nfirst\nsecond")
        await page.click("#send button")
        await expect(page.locator("#result")).to_have_text("Sent to manager.")
        await page.click("#spawn > summary")
        await page.fill("#spawn-form [name=name]", "Dora")
        await page.click("#spawn-form button")
        await expect(page.locator("#result")).to_contain_text("Not done: name: must be")
        await expect(page.locator("#spawn-form [name=name]")).to_have_value("Dora")
    question = await hive.hive.store.read(lambda tx: tx.questions.get(1))
    assert question is not None
    assert question.answer == "blue"
    (sent,) = await hive.hive.store.read(
        lambda tx: [d for d in tx.messages.recent() if d.message.kind == "operator"]
    )
    assert sent.message.body == "\nfirst\nsecond"
