"""Something else in place of what was shown: what is built is what was shown, or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from nested.host import NestedHost
from tests.flakes.forge import Forge, Offer
from tests.host.attacking import BASE, Attack, attacked, attacking, offer_of, refused
from tests.host.breaching import Json
from tests.host.browsing import browsing
from tests.host.hosted import Hosted
from tests.host.hostile_modules import package, prompt

pytestmark = pytest.mark.nix

TITLE = "the same title"
BUSY = prompt(
    "builtins.foldl' (a: b: a + builtins.foldl' (c: d: c + d) 0 "
    "(builtins.genList (x: x) 100000)) 0 (builtins.genList (x: x) 100000)"
)


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with attacked(nested) as running:
        yield running


async def change(a: Attack, word: str) -> Offer:
    return offer_of(await a.main(), {"agent.nix": BASE.replace("base", word)})


async def shown(a: Attack, word: str) -> Json:
    """A proposal that the operator looks at."""
    found = await a.checked(await a.proposed(await change(a, word), TITLE))
    assert found["state"] == "pending"
    return found


async def nothing_of(a: Attack, number: int) -> None:
    assert number not in {deploy["id"] for deploy in await a.deploys()}


async def test_another_upload_while_it_is_looked_at(hive: Hosted) -> None:
    async with attacking(hive) as a:
        first = await shown(a, "shown one")
        for word in ("evil one", "evil two"):
            assert (await a.upload(await change(a, word))).status == 200
        assert await a.approval(first["id"]) == first
        await a.client.call("approve", id=first["id"])
        await a.built_exactly(first)


async def test_the_same_title_again(hive: Hosted) -> None:
    """The one that was looked at is void, and the other one is not what was looked at."""
    async with attacking(hive) as a, browsing(a.client) as browser:
        first = await shown(a, "shown two")
        page = await browser.load(first["id"])
        assert page.fields.keys() == {"seen", "complete"}
        second = await shown(a, "evil three")
        async with refused("already_resolved", "takes its place"):
            await a.client.call("approve", id=first["id"])
        assert await browser.send("approve", first["id"], page.fields) == 409
        assert await browser.send("approve", second["id"], page.fields) == 409
        async with refused("conflict"):
            await a.client.call("approve", id=second["id"], commit=first["binding"]["commit"])
        for number in (first["id"], second["id"]):
            await nothing_of(a, number)
        await a.client.call("deny", id=second["id"])


async def test_between_the_request_and_its_check(hive: Hosted) -> None:
    """The check of another one goes on meanwhile."""
    async with attacking(hive) as a:
        busy = offer_of(await a.main("manager"), {"agent.nix": BUSY})
        assert (await a.upload(busy, "manager")).status == 200
        assert (await a.request(busy.commit, "manager")).status == 200
        honest, evil = await change(a, "honest"), await change(a, "evil four")
        number = await a.proposed(honest, TITLE)
        assert (await a.upload(evil)).status == 200
        assert (await a.approval(number))["state"] == "checking"
        async with refused("conflict", "being checked"):
            await a.client.call("approve", id=number)
        found = await a.checked(number)
        assert found["binding"]["commit"] == honest.commit
        assert (found["state"], "send it again" in found["note"]) == ("failed", True)
        await nothing_of(a, number)
        number = await a.proposed(honest, TITLE)
        await a.client.call("approve", id=(again := await a.checked(number))["id"])
        await a.built_exactly(again)


async def test_while_it_is_built(hive: Hosted) -> None:
    async with attacking(hive) as a:
        slow = package("sleep 3; echo >$out").replace("{", '{ hyperhive.prompt = "slow";', 1)
        first = await a.checked(await a.proposed(offer_of(await a.main(), {"agent.nix": slow})))
        await a.client.call("approve", id=first["id"])
        evil = await change(a, "evil five")
        number = await a.proposed(evil, TITLE)
        await a.built_exactly(first)
        found = await a.checked(number)
        assert found["state"] == "stale_base"
        await nothing_of(a, number)


async def test_the_same_files_in_another_commit(hive: Hosted) -> None:
    async with attacking(hive) as a:
        main = await a.main()
        files = {"agent.nix": BASE.replace("base", "twice")}
        one, other = (offer_of(main, files, message=f"{n}\n") for n in "12")
        first = await a.checked(await a.proposed(one, TITLE))
        assert (await a.upload(other)).status == 200
        await a.client.call("approve", id=first["id"])
        await a.built_exactly(first)
        answer = await a.request(one.commit)
        assert (answer.status, answer.code) == (409, "conflict")
        answer = await a.request(other.commit)
        assert answer.status in (404, 409)
        assert "stale base" in answer.body or "not uploaded" in answer.body


async def test_the_same_commit_again(hive: Hosted) -> None:
    """Once denied, it is a request of its own; also with a tag of the same name in the clone."""
    async with attacking(hive) as a:
        offer = await change(a, "again")
        first = await a.checked(await a.proposed(offer, TITLE))
        await a.client.call("deny", id=first["id"], reason="not now")
        second = await a.checked(await a.proposed(offer, TITLE))
        assert second["id"] != first["id"]
        async with refused("already_resolved", "denied"):
            await a.client.call("approve", id=first["id"])
        await a.client.call("approve", id=second["id"])
        await a.built_exactly(second)
        assert a.git("rev-parse", f"denied/{first['id']}^{{commit}}") == offer.commit


@pytest.mark.parametrize(
    "name",
    ["HEAD", "main", "proposal/5", "refs/heads/main", "main~1", "main;id", "--all", "@{-1}", "x\n"],
)
async def test_a_name_that_may_move(hive: Hosted, name: str) -> None:
    """Of the harness it is resolved in the clone: the host wants the whole id."""
    async with attacking(hive) as a:
        answer = await a.request(name)
        assert (answer.status, answer.code) == (400, "invalid_field")
        short = await a.request((await a.main())[:12])
        assert (short.status, short.code) == (400, "invalid_field")


async def test_history_that_is_rewritten(hive: Hosted) -> None:
    """A forced push: what does not contain what runs is stale, whatever it is on top of."""
    async with attacking(hive) as a:
        forge = Forge()
        orphan = forge.offer(forge.files())
        old = offer_of(a.git("rev-parse", "main~1"), {"agent.nix": BASE})
        for offer in (orphan, old):
            assert (await a.upload(offer)).status == 200
            answer = await a.request(offer.commit)
            assert (answer.status, answer.code) == (409, "conflict")
            assert "stale base" in answer.body


async def test_refs_that_replace(hive: Hosted) -> None:
    """There is no way to send one, and git would not follow it."""
    async with attacking(hive) as a:
        first, evil = await shown(a, "not replaced"), await change(a, "replacing")
        assert (await a.upload(evil)).status == 200
        for path in ("info/refs?service=git-receive-pack", "git-receive-pack", "refs/replace"):
            for method in ("GET", "POST", "PUT"):
                answer = await a.breach.ask(method, f"/v1/proposals/alice/{path}")
                assert answer.status in (404, 405)
        # As if there were: also who could write in the repository changes nothing that was shown.
        a.git("fetch", "-q", "../alice.incoming", "main")
        replaced = first["binding"]["commit"]
        a.git("replace", replaced, evil.commit)
        try:
            await a.client.call("approve", id=first["id"])
            deploy = await a.over(first["id"])
            assert (deploy["state"], deploy["commit"]) == ("done", replaced)
            assert (await a.agent())["settings"]["prompt"] == "not replaced"
        finally:
            a.git("replace", "-d", replaced)
        await a.built_exactly(first)


async def test_a_key_for_two_requests(hive: Hosted) -> None:
    async with attacking(hive) as a:
        one, other = await change(a, "key one"), await change(a, "key two")
        assert (await a.upload(one)).status == 200
        first = await a.request(one.commit, key="k")
        assert (await a.upload(other)).status == 200
        second = await a.request(other.commit, key="k")
        assert (second.status, second.code) == (409, "conflict")
        same = await a.request(one.commit, key="k")
        assert same.json()["id"] == first.json()["id"]
        await a.checked(first.json()["id"])


async def test_uploads_and_requests_in_any_order(hive: Hosted) -> None:
    """In a race of many the last request is the only one that waits, and is what it says."""
    async with attacking(hive) as a:
        offers = [await change(a, f"race {n}") for n in range(12)]

        async def both(offer: Offer) -> None:
            assert (await a.upload(offer)).status == 200
            answer = await a.request(offer.commit, description=TITLE)
            assert answer.status in (200, 404), answer

        await asyncio.gather(*(both(offer) for offer in offers))
        rows = (await a.client.call("approvals"))["approvals"]
        mine = [each for each in rows if each["agent"] == "alice"]
        assert len(mine) <= 1
        for each in mine:
            found = await a.checked(each["id"])
            assert json.dumps(found["binding"]["commit"]).strip('"') in {o.commit for o in offers}
            if found["state"] == "pending":
                await a.client.call("approve", id=each["id"])
                await a.built_exactly(found)
        async with refused("not_found"):
            await a.client.call("approve", id=10**9)
