"""Uploads and requests in masses from a taken container: bounded, and others go on."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from hyperhive.hive.approval_steps import MAX_HOURLY, MAX_OPEN
from nested.host import NestedHost
from tests.flakes.forge import Offer
from tests.host.attacking import BASE, Attack, an_hour_later, attacked, attacking, offer_of
from tests.host.breaching import Answer
from tests.host.hosted import STATE, Hosted
from tests.host.test_proposal_attacks_repositories import descriptors, files, resident
from tests.support.wait import wait_for

pytestmark = pytest.mark.nix

UNKNOWN = "c" * 40
MIB = 2**20
MANY = 10_000
AT_ONCE = 16


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with attacked(nested) as running:
        yield running


async def answered_in(a: Attack) -> float:
    """Seconds of an operator's simple question."""
    begun = time.monotonic()
    await a.client.call("status")
    return time.monotonic() - begun


async def slowest_answer(a: Attack, until: asyncio.Event) -> float:
    worst = 0.0
    while not until.is_set():
        worst = max(worst, await answered_in(a))
        try:
            await asyncio.wait_for(until.wait(), 0.1)
        except TimeoutError:
            continue
    return worst


async def once(a: Attack, offer: Offer) -> Answer:
    return await a.breach.ask("POST", f"/v1/proposals/alice?commit={offer.commit}", offer.pack)


async def test_fifty_uploads_at_once(hive: Hosted, say: Callable[[str], None]) -> None:
    async with attacking(hive) as a:
        main = await a.main()
        texts = [BASE.replace("base", f"number {n}") for n in range(50)]
        offers = [offer_of(main, {"agent.nix": text}) for text in texts]
        answers = await asyncio.gather(*(once(a, offer) for offer in offers))
        kinds = Counter(answer.status for answer in answers)
        say(f"{dict(kinds)} in {max(answer.seconds for answer in answers):.1f} s;")
        assert set(kinds) == {200, 429}
        assert {answer.code for answer in answers if answer.status == 429} == {"rate_limited"}
        last = [o for o, answer in zip(offers, answers, strict=True) if answer.status == 200][-1]
        number = await a.proposed(last)
        assert (await a.checked(number))["state"] == "pending"
        await a.deny(number)


async def test_large_bodies(hive: Hosted, say: Callable[[str], None]) -> None:
    async with attacking(hive) as a:
        path, before = f"/v1/proposals/alice?commit={UNKNOWN}", files(hive)
        memory, done = resident(hive), asyncio.Event()
        watched = asyncio.create_task(slowest_answer(a, done))
        fits = [await a.breach.ask("POST", path, b"x" * MIB, times=32) for _ in range(5)]
        assert {(answer.status, answer.code) for answer in fits} == {(400, "invalid_field")}
        beyond = await a.breach.ask("POST", path, b"x" * MIB, times=33)
        assert beyond.status in (0, 413)
        done.set()
        say(f"32 MiB in {max(answer.seconds for answer in fits):.1f} s;")
        say(f"the operator waited {await watched:.2f} s at most;")
        say(f"resident {memory // 1024} -> {resident(hive) // 1024} MiB;")
        assert files(hive) == before
        assert resident(hive) < memory + 100 * 1024


async def test_a_body_that_drips(hive: Hosted, say: Callable[[str], None]) -> None:
    async with attacking(hive) as a:
        path, before = f"/v1/proposals/alice?commit={UNKNOWN}", descriptors(hive)
        slow = asyncio.gather(
            *(a.breach.ask("POST", path, drip=1000, every=1.0) for _ in range(20))
        )
        begun = time.monotonic()
        answers = await slow
        say(f"20 of them ended within {time.monotonic() - begun:.0f} s: ")
        say(str(Counter(answer.status for answer in answers)))
        assert time.monotonic() - begun < 90
        assert {answer.status for answer in answers} <= {400, 429}
        number = await a.propose({"agent.nix": BASE.replace("base", "after it")})
        assert (await a.checked(number))["state"] == "pending"
        await a.deny(number)
        assert descriptors(hive) <= before + 5


async def test_for_others_than_it_may(hive: Hosted) -> None:
    """Of the manager each name is refused alike; who may propose nothing is refused unread."""
    async with attacking(hive) as a:
        names = ("nobody", "alice2", "a", "z" * 10)
        answers = [
            await a.breach.ask("POST", f"/v1/proposals/{n}?commit={UNKNOWN}", b"x") for n in names
        ]
        assert {(answer.status, answer.body) for answer in answers} == {(403, answers[0].body)}
        odd = ("..", "%2e%2e", "alice%2f..%2fmanager", "alice%00", "Alice", "-rf", "alice.git")
        for name in odd:
            answer = await a.breach.ask("POST", f"/v1/proposals/{name}?commit={UNKNOWN}", b"x")
            assert 400 <= answer.status < 500, (name, answer)


async def test_ten_thousand_proposals(hive: Hosted, say: Callable[[str], None]) -> None:
    async with attacking(hive) as a:
        offers = [
            offer_of(await a.main(), {"agent.nix": BASE.replace("base", word)})
            for word in ("one", "two")
        ]
        for offer in offers:
            await a.proposed(offer)
        sizes, memory = database(hive), resident(hive)
        done, begun, kinds = asyncio.Event(), time.monotonic(), Counter[int]()
        watched = asyncio.create_task(slowest_answer(a, done))
        while sum(kinds.values()) < MANY:
            asked = (
                a.request(offers[n % 2].commit, description="x" * 2000) for n in range(AT_ONCE)
            )
            kinds.update(answer.status for answer in await asyncio.gather(*asked))
        done.set()
        took, grown = time.monotonic() - begun, database(hive)
        say(f"{dict(kinds)} in {took:.0f} s; the operator waited {await watched:.2f} s at most;")
        say(f"database {sizes / MIB:.1f} -> {grown / MIB:.1f} MiB;")
        say(f"resident {memory // 1024} -> {resident(hive) // 1024} MiB;")
        assert set(kinds) <= {200, 404, 429}
        assert kinds[200] <= MAX_HOURLY
        rows = await a.client.call("approvals")
        assert len([each for each in rows["approvals"] if each["agent"] == "alice"]) <= 1
        answer = await a.request(offers[1].commit)
        assert (answer.status, answer.code) == (429, "rate_limited")
        assert grown - sizes < 16 * MIB
        say(f"{len(a.git('for-each-ref').splitlines())} refs;")
    an_hour_later(hive)
    async with attacking(hive) as a:
        begun = time.monotonic()
        number = await a.propose({"agent.nix": BASE.replace("base", "honest")})
        assert (await a.checked(number))["state"] == "pending"
        say(f"an honest one was checked after {time.monotonic() - begun:.1f} s;")
        await a.client.call("approve", id=number)
        assert (await a.over(number))["state"] == "done"


async def test_new_agents_in_masses(hive: Hosted, say: Callable[[str], None]) -> None:
    """Each that is taken has a repository until it is decided; one that is refused has none."""
    an_hour_later(hive)
    async with attacking(hive) as a:
        before, kinds = repositories(hive), Counter[int]()
        for n in range(0, 200, AT_ONCE):
            orders = (
                {"name": f"x{n + i}", "module": "{ }", "key": f"x{n + i}"} for i in range(AT_ONCE)
            )
            sent = (
                a.breach.ask("POST", "/v1/request_spawn", json.dumps(order).encode())
                for order in orders
            )
            kinds.update(answer.status for answer in await asyncio.gather(*sent))
        made = repositories(hive) - before
        say(f"{dict(kinds)}; {len(made)} repositories;")
        assert set(kinds) == {200, 429}
        assert kinds[200] == len(made) <= MAX_OPEN
        for each in (await a.client.call("approvals"))["approvals"]:
            if each["kind"] == "spawn":
                await a.client.call("deny", id=each["id"])

        begun = time.monotonic()
        await wait_for(lambda: repositories(hive) == before, 60.0, "the end of the repositories")
        say(f"gone {time.monotonic() - begun:.1f} s after they were denied")


def repositories(hive: Hosted) -> set[str]:
    return {path.name for path in hive.host.path(f"{STATE}/service/applied").iterdir()}


def database(hive: Hosted) -> int:
    """Bytes, with what is not written back yet."""
    found = hive.host.path(f"{STATE}/service").glob("*.db*")
    return sum(path.stat().st_blocks * 512 for path in found)
