"""Decisions, as a page sends them: a change is approved only as it was shown, and all of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from hyperhive.protocol.verbs import RequestSpawn
from tests.dashboard.changing import asked, form, running, state
from tests.dashboard.test_deploy_actions import deploys
from tests.dashboard.test_pages import words
from tests.support.deploying import Workshop
from tests.support.posting import plain, post

Client = aiohttp.ClientSession


async def test_approve_what_was_shown(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop))
    sent = {"note": "go", **await form(operator, approval.id)}
    status, answer = await post(operator, f"/approve/{approval.id}", sent)
    assert (status, answer["result"]) == (200, "Approved: apply_commit alice.")
    row = await shop.made.hive.store.read(lambda tx: tx.deploys.get(approval.id))
    assert row is not None
    assert (row.commit, row.state) == (approval.binding["commit"], "queued")
    assert row.built is not None
    assert row.built.drv == approval.binding["drv"]
    status, answer = await post(operator, f"/approve/{approval.id}", sent)
    assert (status, answer["error"]["code"]) == (409, "already_resolved")
    assert len(await deploys(shop)) == 2


async def test_without_script(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop))
    sent = {"note": "", **await form(operator, approval.id)}
    status, body, path = await plain(operator, f"/approve/{approval.id}", sent)
    assert (status, path) == (200, f"/approvals/{approval.id}")
    assert "Approved: apply_commit alice." in body
    assert f"deploy {approval.id} queued" in words(body)


@pytest.mark.parametrize("missing", ["seen", "complete", "both"])
async def test_what_was_not_looked_at_is_not_approved(
    shop: Workshop, operator: Client, missing: str
) -> None:
    approval = await asked(shop, await running(shop))
    sent = await form(operator, approval.id)
    sent = {} if missing == "both" else {k: v for k, v in sent.items() if k != missing}
    told = f"look at it first: /approvals/{approval.id} shows all that would change"
    status, answer = await post(operator, f"/approve/{approval.id}", {"note": "", **sent})
    assert (status, answer["error"]["message"]) == (409, told)
    status, body, _ = await plain(operator, f"/approve/{approval.id}", {"note": "mine", **sent})
    assert status == 409
    assert f"Not done: {told}" in body
    assert "+ line seven" in words(body)  # the page to look at it
    assert "\nmine</textarea>" in body
    assert await state(shop, approval.id) == "pending"
    assert len(await deploys(shop)) == 1


async def test_a_part_of_it_is_not_enough(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop), {"agent.nix": b"x\n" * 4_000})
    whole = await form(operator, approval.id, "?whole=1")
    assert await form(operator, approval.id) == {}
    status, _ = await post(operator, f"/approve/{approval.id}", {"seen": whole["seen"]})
    assert status == 409
    status, _ = await post(operator, f"/approve/{approval.id}", whole)
    assert status == 200


async def test_what_was_checked_anew_is_looked_at_again(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop))
    sent = await form(operator, approval.id)
    await shop.checking(approval.id)
    status, answer = await post(operator, f"/approve/{approval.id}", sent)
    told = f"approval {approval.id} is being checked; look at it when it is"
    assert (status, answer["error"]["message"]) == (409, told)
    await shop.check(approval.id)
    told = f"approval {approval.id} has changed since; look at it again"
    status, answer = await post(operator, f"/approve/{approval.id}", sent)
    assert (status, answer["error"]["message"]) == (409, told)
    status, body, _ = await plain(operator, f"/approve/{approval.id}", sent)
    assert status == 409
    assert f"Not done: {told}" in body
    assert f'value="{sent["seen"]}"' not in body  # which shows it as it is now
    status, _ = await post(operator, f"/approve/{approval.id}", await form(operator, approval.id))
    assert status == 200


async def test_a_newer_one_takes_its_place(shop: Workshop, operator: Client) -> None:
    base = await running(shop)
    older = await asked(shop, base)
    sent = await form(operator, older.id)
    newer = await asked(shop, base, {"agent.nix": b"newer\n"})
    told = f"approval {older.id} is superseded: approval {newer.id} takes its place"
    for number in (older.id, newer.id):  # nor is the other one approved with what was seen of this
        status, answer = await post(operator, f"/approve/{number}", sent)
        assert status == 409
        assert answer["error"]["message"] == (
            told if number == older.id else f"approval {number} has changed since; look at it again"
        )
    status, body, _ = await plain(operator, f"/approve/{older.id}", sent)
    assert (status, f"Not done: {told}" in body) == (409, True)
    assert len(await deploys(shop)) == 1


async def test_what_runs_is_another_one_by_now(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop), by="")
    sent = await form(operator, approval.id)
    await running(shop, {"agent.nix": b"another\n"})
    status, answer = await post(operator, f"/approve/{approval.id}", sent)
    told = "alice has changed since this was proposed; deny it"
    assert (status, answer["error"]["message"]) == (409, told)


async def test_two_browsers_at_once(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop))
    async with shop.made.browser() as other:
        forms = [await form(browser, approval.id) for browser in (operator, other)]
        answers = await asyncio.gather(
            *(
                post(browser, f"/approve/{approval.id}", sent)
                for browser, sent in zip((operator, other) * 3, forms * 3, strict=True)
            )
        )
    assert sorted(status for status, _ in answers) == [200, *[409] * 5]
    assert len(await deploys(shop)) == 2


async def test_deny_needs_no_look(shop: Workshop, operator: Client) -> None:
    base = await running(shop)
    for checked in (True, False):
        approval = await asked(shop, base, checked=checked)
        sent = {"note": "not now", **await form(operator, approval.id)}
        status, answer = await post(operator, f"/deny/{approval.id}", sent)
        assert (status, answer["result"]) == (200, "Denied: apply_commit alice.")
        status, answer = await post(operator, f"/approve/{approval.id}", {"note": ""})
        why = f"approval {approval.id} is denied: there is nothing left to decide"
        assert (status, answer["error"]["message"]) == (409, why)
    assert len(await deploys(shop)) == 1


async def test_of_an_agent_that_is_gone(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop))
    sent = await form(operator, approval.id)
    gone = replace(await shop.made.agent("alice"), state="purged")
    await shop.made.hive.store.write(lambda tx: tx.agents.save(gone))
    status, answer = await post(operator, f"/approve/{approval.id}", sent)
    assert status == 409
    assert "alice is not the agent any more that this was asked for" in answer["error"]["message"]
    assert (await post(operator, "/approve/99", sent))[0] == 404


# --- new agents ---


async def test_a_new_agent_with_a_module_is_looked_at(shop: Workshop, operator: Client) -> None:
    request = RequestSpawn(name="bob", module="{ }\n", key="k")
    manager = await shop.made.sender("manager")
    proposals = shop.made.hive.need_deploying().proposals
    number = (await proposals.request_spawn(manager, request))["id"]
    await shop.check(number)
    status, answer = await post(operator, f"/approve/{number}", {"note": ""})
    assert (status, "look at it first" in answer["error"]["message"]) == (409, True)
    status, answer = await post(operator, f"/approve/{number}", await form(operator, number))
    assert (status, answer["result"]) == (200, "Approved: spawn bob.")


async def test_a_new_agent_without_one_is_not(shop: Workshop, operator: Client) -> None:
    number = await shop.made.request_spawn("bob")
    status, answer = await post(operator, f"/approve/{number}", {"note": ""})
    assert (status, answer["result"]) == (200, "Approved: spawn bob.")


async def test_make_an_agent_with_a_module(shop: Workshop, operator: Client) -> None:
    sent = {"name": "bob", "description": "helps", "module": "{ }:\r\n{ }\n", "key": "k1"}
    for _ in range(2):
        status, answer = await post(operator, "/request-spawn", sent)
        assert (status, answer["result"]) == (200, "bob is being made.")
    bob = await shop.made.agent("bob")
    (row,) = await shop.made.hive.store.read(lambda tx: tx.deploys.recent(bob.id))
    (change,) = (await shop.configs.changes("bob", None, row.commit, whole=True)).files
    assert [line.text for line in change.lines] == ["{ }:", "{ }"]
    taken = {"name": "alice", "module": "{ }", "key": "k2"}
    status, body, _ = await plain(operator, "/request-spawn", taken)
    assert status == 409
    assert "{ }</textarea>" in body
    assert '<details id="spawn-module" open>' in body


@pytest.mark.parametrize("module", ["x" * 65_537, "ä" * 32_769, "\0"])
async def test_what_is_no_module(shop: Workshop, operator: Client, module: str) -> None:
    sent = {"name": "bob", "module": module, "key": "k"}
    status, answer = await post(operator, "/request-spawn", sent)
    assert (status, answer["error"]["field"]) == (400, "module")
    assert await shop.made.hive.store.read(lambda tx: tx.agents.by_name("bob")) is None


async def test_make_one_with_an_empty_module(shop: Workshop, operator: Client) -> None:
    status, _ = await post(
        operator, "/request-spawn", {"name": "bob", "module": " \n", "key": "k1"}
    )
    assert status == 200
    assert (await shop.made.agent("bob")).origin == "spawned"
