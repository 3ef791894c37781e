"""Changes in the list of what waits: what they come to, and the way to look at them."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from hyperhive.dashboard import briefs
from hyperhive.hive import proposal_views
from hyperhive.protocol.errors import Unavailable
from tests.dashboard.changing import NPM, asked, form, running, state
from tests.dashboard.test_deploy_pages import shown
from tests.dashboard.test_pages import text
from tests.support.deploying import Workshop
from tests.support.posting import post

Client = aiohttp.ClientSession


async def test_a_change_is_looked_at_from_its_card(shop: Workshop, operator: Client) -> None:
    files = {"agent.nix": b"x\n", "more.nix": b"y\n"}
    approval = await asked(shop, await running(shop), files, settings=NPM)
    body, page = await text(operator, "/"), await shown(operator, "/")
    assert f'href="/approvals/{approval.id}">Look at the change</a>' in body
    assert "/approve/" not in body
    assert "2 files differ; wider allowedBash npm *; `npm *` can run any program" in page
    status, _ = await post(operator, f"/deny/{approval.id}", {"note": "no"})
    assert (status, await state(shop, approval.id)) == (200, "denied")


async def test_nothing_gets_wider(shop: Workshop, operator: Client) -> None:
    settings = (await shop.made.agent("alice")).settings
    await asked(shop, await running(shop), settings=settings)
    assert "1 file differs; nothing that it may do gets wider" in await shown(operator, "/")


async def test_what_is_being_checked_is_said_to_be(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop), checked=False, text="soon")
    page = await shown(operator, "/")
    assert "soon 1 file differs checking" in page
    await shop.check(approval.id, NPM)
    assert "1 file differs; wider allowedBash npm *" in await shown(operator, "/")


async def test_the_others_are_decided_on_their_cards(shop: Workshop, operator: Client) -> None:
    spawn = await shop.made.request_spawn("bob")
    destroy = await shop.made.request_destroy("alice")
    body = await text(operator, "/")
    for number in (spawn, destroy):
        assert f'formaction="/approve/{number}"' in body
    assert "Look at the change" not in body


async def test_it_is_read_once(
    shop: Workshop, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    read = proposal_views.show

    async def show(*of: object) -> object:
        reads.append(of)
        return await read(*of)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(proposal_views, "show", show)
    base = await running(shop)
    await asked(shop, base)
    for _ in range(3):
        await text(operator, "/")
    assert len(reads) == 1
    await asked(shop, base, {"agent.nix": b"another\n"})
    await text(operator, "/")
    assert len(reads) == 2


async def test_what_cannot_be_read_is_tried_again(
    shop: Workshop, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = await asked(shop, await running(shop))
    with monkeypatch.context() as patch:

        async def fail(*_: object) -> object:
            raise Unavailable("git <fails>")

        patch.setattr(proposal_views, "show", fail)
        body = await text(operator, "/")
        assert "git &lt;fails&gt;" in body
        assert f'href="/approvals/{approval.id}">Look at the change</a>' in body
    assert "1 file differs" in await shown(operator, "/")


async def test_the_list_does_not_wait_for_it(
    shop: Workshop, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked(shop, await running(shop))

    async def hang(*_: object) -> object:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(briefs, "_SECONDS", 0.1)
    monkeypatch.setattr(proposal_views, "show", hang)
    assert "it takes long to read" in await shown(operator, "/")


async def test_no_more_are_kept_than_can_wait(
    shop: Workshop, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(briefs, "_KEPT", 2)
    base = await running(shop)
    for n in range(4):
        await asked(shop, base, {"agent.nix": b"%d\n" % n})
        await text(operator, "/")
    assert len(shop.made.app[briefs.BRIEFS]._known) == 2
    assert await form(operator, 5)
