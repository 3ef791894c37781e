"""The page of a request: what would change, all of it, and what can be decided there."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from hyperhive.protocol.bundle import AgentSettings, Limits
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.verbs import RequestSpawn
from tests.dashboard.changing import NPM, asked, form, running
from tests.dashboard.test_deploy_pages import shown
from tests.dashboard.test_pages import text
from tests.support.deploying import Workshop

Client = aiohttp.ClientSession
HOSTILE = "</pre><script>alert(1)</script>\u202e"


async def test_all_of_a_change(shop: Workshop, operator: Client) -> None:
    base = await running(shop)
    closure = {
        "built": False,
        "added": ["nodejs-22.1"],
        "removed": [],
        "size_before": None,
        "size_after": None,
        "download": 5 * 2**20,
    }
    warned = [f"old {HOSTILE}"]
    approval = await asked(
        shop, base, text=f"do it {HOSTILE}", settings=NPM, warnings=warned, closure=closure
    )
    body = await text(operator, f"/approvals/{approval.id}")
    page = await shown(operator, f"/approvals/{approval.id}")
    commit = approval.binding["commit"]
    for part in (
        f"Approval {approval.id} pending",
        f"manager requests a change of alice : {commit[:12]} in place of {base[:12]}",
        "do it </pre><script>alert(1)</script>\\u202e",
        "What it may do compared with what runs wider allowedBash npm *; `npm *` can run any",
        "narrower egress.allow pypi.example:443",
        "Warnings old </pre><script>alert(1)</script>\\u202e",
        "It is not built yet. 5 MiB would be downloaded.",
        "Would be built or fetched 1 nodejs-22.1",
        f"{commit[:12]} Mallory",
        "because",
        "1 file differs Compared with what runs now.",
        "changed agent.nix 150 B → 154 B",
        "4 unchanged lines line 4",
        "- line 7 + line seven",
        "9 unchanged lines",
        "(optional; manager reads it)",
    ):
        assert part in page, part
    assert '<del data-n="   8     ">- line 7</del>' in body
    assert '<ins data-n="        8">+ line seven</ins>' in body
    assert '<span data-n="   9    9">  line 8</span>' in body
    assert 'aria-label="written by manager"' in body
    assert page.index("What it may do") < page.index("It is not built") < page.index("line seven")
    assert set(await form(operator, approval.id)) == {"seen", "complete"}


async def test_what_is_built_already(shop: Workshop, operator: Client) -> None:
    sizes = {"size_before": 2**30, "size_after": 2**20, "download": None}
    closure = {"built": True, "added": ["a-1"], "removed": ["b-2"], **sizes}
    approval = await asked(shop, await running(shop), closure=closure)
    page = await shown(operator, f"/approvals/{approval.id}")
    assert "It is built already: 1 MiB, before 1 GiB. Added 1 a-1 Removed 1 b-2" in page


async def test_what_widens_comes_first_in_words(shop: Workshop, operator: Client) -> None:
    mixed = AgentSettings(
        prompt="quick", limits=Limits(tasks_max=100), allowed_bash=("git *", "rm *")
    )
    approval = await asked(shop, await running(shop), settings=mixed)
    page = await shown(operator, f"/approvals/{approval.id}")
    wider, narrower, other = (
        page.index(part)
        for part in ("wider allowedBash rm *", "narrower allowedBash pytest", "differs prompt")
    )
    assert wider < narrower < other
    same = await asked(
        shop, await running(shop), settings=(await shop.made.agent("alice")).settings
    )
    page = await shown(operator, f"/approvals/{same.id}")
    assert "Nothing of what it may do, of its limits and of its model changes." in page


# --- what it is compared with ---


async def test_the_base_is_chosen_by_links(shop: Workshop, operator: Client) -> None:
    base = await running(shop)
    first = await asked(shop, base, {"agent.nix": b"first\n"})
    second = await asked(shop, base, {"agent.nix": b"second\n"})
    here = f"/approvals/{second.id}"
    body = await text(operator, here)
    assert f'<a href="{here}?base=running" aria-current="true">what runs now</a>' in body
    assert f'<a href="{here}?base=previous">approval {first.id}, the one before this</a>' in body
    page = await shown(operator, f"{here}?base=previous")
    assert "- first + second" in page
    assert "look at what differs from that before you approve it" in page
    assert await form(operator, second.id, "?base=previous") == {}
    assert f'formaction="/approve/{second.id}"' not in await text(operator, f"{here}?base=previous")
    assert f'href="{here}">Compare with what runs</a>' in await text(
        operator, f"{here}?base=previous"
    )
    assert "base: there is none" in await text(operator, f"{here}?base=approved", 400)


# --- where it cannot be approved ---


async def only_deny(browser: Client, number: int, more: str = "") -> str:
    body = await text(browser, f"/approvals/{number}{more}")
    assert "/approve/" not in body
    assert await form(browser, number, more) == {}
    assert '<button class="danger">Deny</button>' in body
    return await shown(browser, f"/approvals/{number}{more}")


async def test_what_is_being_checked(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop), checked=False)
    page = await only_deny(operator, approval.id)
    assert "checking It is being checked" in page
    assert "Not known before it is checked." in page
    assert "+ line seven" in page
    assert "It can be approved once it is checked." in page


async def test_what_is_not_shown_is_opened_first(shop: Workshop, operator: Client) -> None:
    files = {"agent.nix": b"x\n" * 5_000, **{f"f{n:03}": b"\n" for n in range(120)}}
    approval = await asked(shop, await running(shop), files)
    page = await only_deny(operator, approval.id)
    assert "21 files, 2,119 lines not shown: approve after opening them." in page
    body = await text(operator, f"/approvals/{approval.id}")
    assert f'href="/approvals/{approval.id}?whole=1">Show all of it</a>' in body
    assert "added f119" not in page
    whole = await shown(operator, f"/approvals/{approval.id}?whole=1")
    assert "added f119" in whole
    assert "not shown" not in whole
    assert "Approve Deny" in whole
    assert set(await form(operator, approval.id, "?whole=1")) == {"seen", "complete"}


async def test_what_no_page_can_show(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop), {"agent.nix": b"\n" * 200_001})
    for more in ("", "?whole=1"):
        page = await only_deny(operator, approval.id, more)
    assert "200,001 lines not shown: more than a page can show. Deny it" in page
    assert "Too many lines after: 200001 bytes, SHA-256" in page


async def test_what_cannot_be_read(
    shop: Workshop, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = await asked(shop, await running(shop))
    settings = {"model": ["not", "one"]}
    unknown = replace(approval, binding={**approval.binding, "settings": settings})
    await shop.made.hive.store.write(lambda tx: tx.approvals.save(unknown))
    page = await only_deny(operator, approval.id)
    assert "not all that it changes could be read: what it may do is not known" in page
    await shop.made.hive.store.write(lambda tx: tx.approvals.save(approval))
    assert await form(operator, approval.id)

    async def fail(*_: object, **__: object) -> None:
        raise Unavailable(f"git {HOSTILE}")

    for part in ("history", "changes"):
        with monkeypatch.context() as patch:
            patch.setattr(shop.configs, part, fail)
            page = await only_deny(operator, approval.id)
            assert "Not all could be read: git </pre><script>" in page
            assert "Load the page again, or deny it." in page
    assert await form(operator, approval.id)


async def test_what_was_made_from_something_else(shop: Workshop, operator: Client) -> None:
    base = await running(shop)
    approval = await asked(shop, base, by="")
    await running(shop, {"agent.nix": b"another\n"})
    page = await only_deny(operator, approval.id)
    assert "alice runs another commit by now than what this was made from: deny it." in page


# --- what became of it ---


async def test_what_was_superseded_names_its_successor(shop: Workshop, operator: Client) -> None:
    base = await running(shop)
    older = await asked(shop, base)
    newer = await asked(shop, base, {"agent.nix": b"newer\n"})
    body = await text(operator, f"/approvals/{older.id}")
    assert f'<a href="/approvals/{newer.id}">approval {newer.id}</a> takes its place' in body
    assert 'id="decide-' not in body
    assert "+ line seven" in await shown(operator, f"/approvals/{older.id}")


async def test_what_does_not_evaluate(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop), checked=False)
    await shop.fail(approval.id, f"error: no such option {HOSTILE}")
    body = await text(operator, f"/approvals/{approval.id}")
    assert "error: no such option &lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in body
    assert 'id="decide-' not in body
    assert f"Approval {approval.id} failed" in await shown(operator, f"/approvals/{approval.id}")


async def test_its_deploy_and_how_many_are_before_it(shop: Workshop, operator: Client) -> None:
    approval = await asked(shop, await running(shop))
    await shop.deploy("manager", "building")
    await shop.made.hive.approvals.approve(approval.id, "go on")
    page = await shown(operator, f"/approvals/{approval.id}")
    assert f"Deploy deploy {approval.id} queued waits for 1 other" in page
    assert "by operator Note go on" in page
    assert "What it may do compared with what ran before" in page
    assert 'id="decide-' not in await text(operator, f"/approvals/{approval.id}")
    changes = await shown(operator, f"/deploys/{approval.id}/changes")
    assert f"Changes of deploy {approval.id} queued of alice approval {approval.id}" in changes
    assert "- line 7 + line seven" in changes
    body = await text(operator, f"/deploys/{approval.id}")
    assert f'<a href="/deploys/{approval.id}/changes">what it would change</a>' in body


async def test_the_changes_of_a_deploy_that_nobody_asked_for(
    shop: Workshop, operator: Client
) -> None:
    await running(shop, {"agent.nix": b"x\n" * 4_000})
    page = await shown(operator, "/deploys/1/changes")
    assert "Compared with nothing: it was new." in page
    assert "1,000 lines not shown. Show all of it" in page
    assert "not shown" not in await shown(operator, "/deploys/1/changes?whole=1")
    await text(operator, "/deploys/9/changes", 404)


# --- other requests ---


async def test_a_new_agent_with_a_module(shop: Workshop, operator: Client) -> None:
    request = RequestSpawn(name="bob", description="helps", module="{ }:\n{ }\n", key="k")
    manager = await shop.made.sender("manager")
    proposals = shop.made.hive.need_deploying().proposals
    number = (await proposals.request_spawn(manager, request))["id"]
    await only_deny(operator, number)
    await shop.check(number)
    page = await shown(operator, f"/approvals/{number}")
    assert "requests a new agent, bob , with a configuration of its own" in page
    assert "What it may do all of it is new wider allowedRecipients * (all)" in page
    assert "Compared with nothing: it is new." in page
    assert "+ { }: + { }" in page
    assert set(await form(operator, number)) == {"seen", "complete"}


async def test_what_is_no_change_is_decided_at_once(shop: Workshop, operator: Client) -> None:
    for number in (
        await shop.made.request_spawn("bob", "helps"),
        await shop.made.request_destroy("alice", "done", purge=True),
    ):
        body = await text(operator, f"/approvals/{number}")
        assert f'formaction="/approve/{number}"' in body
        assert 'id="files"' not in body


async def test_a_new_agent_of_the_defaults_shows_what_it_may_do(
    shop: Workshop, operator: Client
) -> None:
    request = RequestSpawn(name="zoe", key="k")
    manager = await shop.made.sender("manager")
    asked = await shop.made.hive.approvals.request_spawn(manager, request)
    page = await shown(operator, f"/approvals/{asked['id']}")
    assert "all of it is new" in page
    assert "wider allowedTools Read Edit Write Glob Grep Bash" in page
    await shop.made.hive.approvals.deny(asked["id"])
    assert "all of it is new" not in await shown(operator, f"/approvals/{asked['id']}")
