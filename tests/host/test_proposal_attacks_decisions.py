"""Decisions twice, too late, or about what is somebody else's by now: once, or clearly refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from hyperhive.protocol.errors import RemoteError
from nested.host import NestedHost
from tests.host.attacking import (
    BASE,
    Attack,
    attacked,
    attacking,
    offer_of,
    refused,
)
from tests.host.breaching import Json, breached
from tests.host.browsing import browsing
from tests.host.hosted import Hosted, linked
from tests.host.hostile_modules import package
from tests.support.wait import wait_for

pytestmark = pytest.mark.nix

BOB = {"autoStart": True, "capabilities": ["manage"]}


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with attacked(nested, {"bob": BOB}) as running:
        yield running


async def shown(a: Attack, word: str) -> Json:
    found = await a.checked(await a.propose({"agent.nix": BASE.replace("base", word)}))
    assert found["state"] == "pending"
    return found


async def outcome(a: Attack, verb: str, number: int) -> str:
    try:
        await a.client.call(verb, id=number)
    except RemoteError as error:
        return error.remote_code
    return "done"


def deploys_of(found: list[Json], number: int) -> list[Json]:
    return [each for each in found if each["approval"] == number]


async def test_approved_twenty_times_at_once(hive: Hosted) -> None:
    async with attacking(hive) as a:
        found = await shown(a, "twenty")
        number = found["id"]
        came = await asyncio.gather(*(outcome(a, "approve", number) for _ in range(20)))
        assert Counter(came) == {"done": 1, "already_resolved": 19}
        await a.built_exactly(found)
        assert len(deploys_of(await a.deploys(), number)) == 1
        assert [each["status"] for each in await a.told(number)] == ["approved"]


async def test_on_the_page_and_on_the_host_at_once(
    hive: Hosted, say: Callable[[str], None]
) -> None:
    """Two browsers and the program, five times; a double click among them."""
    won = Counter[str]()
    async with attacking(hive) as a, browsing(a.client) as one, browsing(a.client) as other:
        for n in range(5):
            found = await shown(a, f"both {n}")
            number = found["id"]
            pages = await asyncio.gather(one.load(number), other.load(number))
            assert all(page.fields.keys() == {"seen", "complete"} for page in pages)
            sent = [
                one.send("approve", number, pages[0].fields),
                one.send("approve", number, pages[0].fields),
                other.send("approve", number, pages[1].fields),
            ]
            program = asyncio.create_task(outcome(a, "approve", number)) if n % 2 else None
            statuses = await asyncio.gather(*sent)
            word = await (program or outcome(a, "approve", number))
            assert Counter(statuses) + Counter([303 if word == "done" else 409]) == {303: 1, 409: 3}
            won["program" if word == "done" else "page"] += 1
            await a.built_exactly(found)
            assert len(deploys_of(await a.deploys(), number)) == 1
    say(str(dict(won)))


async def test_approved_and_denied_at_once(hive: Hosted, say: Callable[[str], None]) -> None:
    won = Counter[str]()
    async with attacking(hive) as a:
        for n in range(6):
            found = await shown(a, f"either {n}")
            verbs = ("approve", "deny") if n % 2 else ("deny", "approve")
            came = await asyncio.gather(*(outcome(a, verb, found["id"]) for verb in verbs))
            assert sorted(came) == ["already_resolved", "done"]
            verb = verbs[came.index("done")]
            won[verb] += 1
            if verb == "approve":
                await a.built_exactly(found)
            else:
                assert deploys_of(await a.deploys(), found["id"]) == []
                assert [each["status"] for each in await a.told(found["id"])] == ["denied"]
    say(str(dict(won)))


async def test_denied_and_then_approved(hive: Hosted) -> None:
    async with attacking(hive) as a, browsing(a.client) as browser:
        found = await shown(a, "denied")
        page = await browser.load(found["id"])
        await a.client.call("deny", id=found["id"], reason="not like this")
        async with refused("already_resolved", "denied"):
            await a.client.call("approve", id=found["id"])
        assert await browser.send("approve", found["id"], page.fields) == 409
        async with refused("already_resolved", "denied"):
            await a.client.call("deny", id=found["id"])
        (told,) = await a.told(found["id"])
        assert (told["status"], told["note"]) == ("denied", "not like this")
        tag = f"denied/{found['id']}^{{commit}}"

        async def marked() -> bool:
            return a.git("rev-parse", tag) == str(found["binding"]["commit"])

        await wait_for(marked, 10.0, "the tag")
        assert deploys_of(await a.deploys(), found["id"]) == []


async def test_denied_while_it_is_built(hive: Hosted) -> None:
    async with attacking(hive) as a:
        slow = package("sleep 3; echo denied >$out").replace("{", '{ hyperhive.prompt = "d";', 1)
        found = await a.checked(await a.propose({"agent.nix": slow}))
        await a.client.call("approve", id=found["id"])

        async def building() -> bool:
            return bool(deploys_of(await a.deploys(), found["id"])[0]["state"] == "building")

        await wait_for(building, 10.0, "the build")
        async with refused("already_resolved"):
            await a.client.call("deny", id=found["id"])
        await a.built_exactly(found)


async def test_whoever_asked_is_gone_and_has_a_namesake(hive: Hosted) -> None:
    async with attacking(hive) as a:
        await wait_for(lambda: linked(a.client, "bob"), 60.0, "bob")
        async with breached(hive, "bob") as bob:
            theirs = Attack(hive, a.client, bob)
            main = await theirs.main()
            offer = offer_of(main, {"agent.nix": BASE.replace("base", "of bob")})
            found = await a.checked(await theirs.proposed(offer))
        assert (found["state"], found["requester"]) == ("pending", "bob")
        await a.client.call("destroy", name="bob", purge=True)
        await wait_for(lambda: purged(a, "bob"), 30.0, "the end of bob")
        assert (await a.approval(found["id"]))["state"] == "expired"
        async with refused("already_resolved", "expired"):
            await a.client.call("approve", id=found["id"])
        await a.client.call("spawn", name="bob")
        await wait_for(lambda: linked(a.client, "bob"), 60.0, "the new bob")
        async with refused("already_resolved", "expired"):
            await a.client.call("approve", id=found["id"])
        async with refused("already_resolved", "expired"):
            await a.client.call("deny", id=found["id"])
        messages = (await a.client.call("messages", agent="bob"))["messages"]
        bodies = [json.loads(m["body"]) for m in messages if m["from"] == "system"]
        assert not [body for body in bodies if body.get("id") == found["id"]]
        assert deploys_of(await a.deploys(), found["id"]) == []


async def test_whom_it_is_about_is_gone_and_has_a_namesake(hive: Hosted) -> None:
    async with attacking(hive) as a:
        found = await shown(a, "of the old alice")
        commit = found["binding"]["commit"]
        await a.client.call("destroy", name="alice", purge=True)
        assert await outcome(a, "approve", found["id"]) in ("conflict", "already_resolved")
        await wait_for(lambda: purged(a, "alice"), 30.0, "the end of alice")
        assert (await a.approval(found["id"]))["state"] == "expired"
        await a.client.call("spawn", name="alice")
        await wait_for(lambda: linked(a.client, "alice"), 60.0, "the new alice")
        async with refused("already_resolved", "expired"):
            await a.client.call("approve", id=found["id"])
        answer = await a.request(commit)
        assert (answer.status, answer.code) == (404, "not_found")
        assert (await a.agent())["settings"]["prompt"] != "of the old alice"
        assert "proposal" not in a.git("tag")


async def purged(a: Attack, name: str) -> bool:
    return name not in {each["name"] for each in (await a.client.call("agents"))["agents"]}
