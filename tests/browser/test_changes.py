"""Changes in the browser: looked at, followed while they are checked, and decided once."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.changing import BEFORE, NPM, asked, running, state
from tests.support.chromium import Window, browse
from tests.support.deploying import Workshop
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser


@pytest.fixture
def hive(shop: Workshop) -> Swarm:
    return shop.made


async def is_decided(page: Page) -> None:
    await expect(page.locator(".decide")).to_have_count(0)


async def deploys(shop: Workshop) -> list[int]:
    rows = await shop.made.hive.store.read(lambda tx: tx.deploys.recent())
    return [row.id for row in rows if row.approval_id is not None]


# --- the way of one ---


async def test_from_the_list_to_its_deploy(shop: Workshop, window: Window) -> None:
    page = window.page
    approval = await asked(shop, await running(shop), settings=NPM)
    await window.show("/")
    card = page.locator(f"#approval-{approval.id}")
    await expect(card).to_contain_text("1 file differs; wider allowedBash npm *")
    assert await card.get_by_role("button").all_text_contents() == ["Deny"]
    await card.get_by_role("link", name="Look at the change").click()
    await expect(page.locator(".is-wider")).to_contain_text("wider allowedBash")
    await page.fill(".decide textarea", "well done")
    await page.locator(".decide").get_by_role("button", name="Approve").click()
    await expect(page.locator("#result")).to_have_text("Approved: apply_commit alice.")
    await is_decided(page)
    await expect(page.locator("#page")).to_contain_text(f"deploy {approval.id} queued")
    await shop.change(approval.id, state="building")
    await expect(page.locator("#page")).to_contain_text(f"deploy {approval.id} building")
    await page.get_by_role("link", name=f"deploy {approval.id}").last.click()
    await page.get_by_role("link", name="what it would change").click()
    await expect(page.locator(".lines ins")).to_have_text("+ line seven")


async def test_it_is_followed_while_it_is_checked(shop: Workshop, window: Window) -> None:
    page = window.page
    approval = await asked(shop, await running(shop), checked=False)
    await window.show(f"/approvals/{approval.id}")
    buttons = page.locator(".decide button")
    assert await buttons.all_text_contents() == ["Deny"]
    await window.eval("document.querySelector('.lines ins').dataset.mark = 'the same'")
    await page.locator(".file summary").click()  # folded
    await shop.check(approval.id, NPM)
    await expect(buttons).to_have_text(["Approve", "Deny"])
    await expect(page.locator(".is-wider")).to_contain_text("allowedBash")
    assert await window.eval("document.querySelector('.lines ins').dataset.mark") == "the same"
    assert await window.eval("document.querySelector('.file').open") is False
    await buttons.first.click()
    await is_decided(page)
    assert await deploys(shop) == [approval.id]


async def test_what_fails_while_it_is_looked_at(shop: Workshop, window: Window) -> None:
    approval = await asked(shop, await running(shop), checked=False)
    await window.show(f"/approvals/{approval.id}")
    await shop.fail(approval.id, "error: <b>no such option</b>\u202e")
    told = window.page.locator(".failure")
    await expect(told).to_have_text("error: <b>no such option</b>\\u202e")
    await is_decided(window.page)


async def test_what_is_typed_stays(shop: Workshop, window: Window) -> None:
    approval = await asked(shop, await running(shop))
    await window.show(f"/approvals/{approval.id}")
    await window.page.fill(".decide textarea", "because")
    await window.page.locator(".decide textarea").blur()
    await shop.check(approval.id, NPM)
    await expect(window.page.locator(".is-wider")).to_contain_text("allowedBash")
    await expect(window.page.locator(".decide textarea")).to_have_value("because")
    await window.page.locator(".decide").get_by_role("button", name="Deny").click()
    await expect(window.page.locator("#result")).to_have_text("Denied: apply_commit alice.")
    found = await shop.made.hive.store.read(lambda tx: tx.approvals.get(approval.id))
    assert found is not None
    assert (found.state, found.note) == ("denied", "because")


# --- more than one look at it ---


async def test_a_double_click_approves_once(shop: Workshop, window: Window) -> None:
    approval = await asked(shop, await running(shop))
    await window.show(f"/approvals/{approval.id}")
    await window.page.locator(".decide .primary").dblclick()
    await is_decided(window.page)
    await expect(window.page.locator("#result")).to_have_text("Approved: apply_commit alice.")
    assert await deploys(shop) == [approval.id]


async def test_two_browsers(shop: Workshop, window: Window) -> None:
    approval = await asked(shop, await running(shop))
    here = f"/approvals/{approval.id}"
    async with browse(shop.made) as other, browse(shop.made) as third:
        for each in (other, third):
            await each.login()
            await each.show(here)
        await window.show(here)
        for each in (window, other):  # they do not refresh in time
            await each.page.route(f"**{here}", lambda route: route.abort())
        clicks = (each.page.locator(".decide .primary").click() for each in (window, other))
        await asyncio.gather(*clicks)
        told = [each.page.locator("#result, .decide .outcome") for each in (window, other)]
        for texts in told:
            await expect(
                texts.filter(has_text=re.compile("Approved|is running")).first
            ).to_be_visible()
        words = ["".join(await texts.all_text_contents()) for texts in told]
        assert sorted(words) == [
            "Approved: apply_commit alice.",
            f"approval {approval.id} is running: there is nothing left to decide",
        ]
        await is_decided(third.page)  # who only looks sees what came of it
        await expect(third.page.locator("h1 + .chip")).to_have_text("running")
    assert await deploys(shop) == [approval.id]


# --- something else comes in between ---


async def test_a_newer_one_while_the_page_is_open(shop: Workshop, window: Window) -> None:
    page, base = window.page, await running(shop)
    older = await asked(shop, base)
    await window.show(f"/approvals/{older.id}")
    await page.fill(".decide textarea", "half a reason")
    newer = await asked(shop, base, {"agent.nix": BEFORE + b"evil\n"})
    await expect(page.locator(".superseded")).to_contain_text("Something newer was proposed")
    await is_decided(page)
    await expect(page.locator(".lines ins")).to_have_text("+ line seven")
    await page.get_by_role("link", name=f"approval {newer.id}").click()
    await expect(page.locator(".lines ins")).to_have_text("+ evil")


async def test_a_newer_one_that_the_page_does_not_know(shop: Workshop, window: Window) -> None:
    page, base = window.page, await running(shop)
    older = await asked(shop, base)
    here = f"/approvals/{older.id}"
    await window.show(here)
    await page.route(f"**{here}", lambda route: route.abort())
    newer = await asked(shop, base, {"agent.nix": BEFORE + b"evil\n"})
    await page.locator(".decide .primary").click()
    told = f"approval {older.id} is superseded: approval {newer.id} takes its place"
    await expect(page.locator(".decide .outcome")).to_have_text(told)
    assert await deploys(shop) == []


async def test_what_is_checked_anew_is_loaded_again(shop: Workshop, window: Window) -> None:
    """The page follows, and yet its button stands for what it was loaded with."""
    page = window.page
    approval = await asked(shop, await running(shop))
    await window.show(f"/approvals/{approval.id}")
    await expect(page.locator(".is-wider")).to_have_count(0)
    await shop.check(approval.id, NPM)
    await expect(page.locator(".is-wider")).to_contain_text("allowedBash")
    await page.locator(".decide .primary").click()
    told = f"approval {approval.id} has changed since; look at it again"
    await expect(page.locator(".decide .outcome")).to_have_text(told)
    assert await state(shop, approval.id) == "pending"
    await page.get_by_role("link", name="Load again").click()
    await page.locator(".decide .primary").click()
    await is_decided(page)
    assert await deploys(shop) == [approval.id]


# --- without script ---


async def test_without_script_all_of_it_is_opened_and_approved(shop: Workshop) -> None:
    approval = await asked(shop, await running(shop), {"agent.nix": b"x\n" * 4_000})
    async with browse(shop.made, java_script_enabled=False) as window:
        page = window.page
        await page.goto(shop.made.url + "/login")
        await page.fill("[name=code]", await shop.made.login_code())
        await page.click("#login button")
        await page.get_by_role("link", name="Look at the change").click()
        assert await page.locator(".decide button").all_text_contents() == ["Deny"]
        await expect(page.locator("#obstacle")).to_have_text(
            "1,020 lines not shown: approve after opening them."
        )
        await page.locator(".decide").get_by_role("link", name="Show all of it").click()
        await expect(page.locator(".lines ins")).to_have_count(4_000)
        await page.locator(".decide").get_by_role("button", name="Approve").click()
        await expect(page.locator("#result")).to_have_text("Approved: apply_commit alice.")
        await expect(page.locator("#page")).to_contain_text(f"deploy {approval.id} queued")


async def test_an_agent_with_a_module_is_made(shop: Workshop, window: Window) -> None:
    page = window.page
    await window.show("/")
    await page.get_by_text("New agent", exact=True).click()
    await page.fill("#spawn-form [name=name]", "bob")
    await page.get_by_text("An agent.nix to begin with").click()
    await page.fill("#spawn-form [name=module]", "{ }:\n{ }\n")
    await page.get_by_role("button", name="Make the agent").click()
    await expect(page.locator("#result")).to_have_text("bob is being made.")
    await expect(page.locator("#queue + .letters")).to_contain_text("of bob queued")
