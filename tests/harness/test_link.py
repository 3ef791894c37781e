"""The link against a host on a real socket: lost answers, restarts, garbage, a newer harness."""

import asyncio
import shutil
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.harness.link import HiveGone, Link, Superseded, Times
from hyperhive.protocol.errors import Busy, Forbidden, RemoteError, TooLarge, Unavailable
from hyperhive.protocol.link import SUPERSEDED
from tests.support.fake_host import FakeHost, Json, restarted
from tests.support.linking import INSTANCE, QUICK, Heard, inject, running, send
from tests.support.wait import wait_for


async def test_hello_says_who_and_which_turn(host: FakeHost, heard: Heard) -> None:
    heard.turn = "turn-0001"
    async with running(Link(host.socket, INSTANCE, heard, QUICK)):
        await wait_for(lambda: heard.welcomes)
    (hello,) = host.hellos
    assert (hello["protocol"], hello["instance"], hello["turn"]) == (1, INSTANCE, "turn-0001")
    assert heard.welcomes[0].agent == "alice"


async def test_answers_find_their_requests_in_any_order(host: FakeHost, link: Link) -> None:
    host.results["whoami"] = {"name": "alice"}
    first, second, third = await asyncio.gather(
        send(link, "k-1"), link.request("whoami", {}, 5), send(link, "k-2")
    )
    assert second == {"name": "alice"}
    assert first != third


async def test_a_refusal_keeps_its_word_and_field(host: FakeHost, link: Link) -> None:
    with pytest.raises(RemoteError) as refused:
        await link.request("send", {"to": "bob", "body": "", "key": "k"}, 5)
    assert refused.value.remote_code == "invalid_field"
    assert refused.value.details() == {"field": "body"}


async def test_an_answer_that_comes_twice_counts_once(host: FakeHost, link: Link) -> None:
    host.silent = {"whoami"}
    asking = asyncio.create_task(link.request("whoami", {}, 5))
    await wait_for(lambda: host.calls_of("whoami"))
    for result in ("1", "2"):
        await inject(host, f'{{"type": "response", "id": 1, "ok": true, "result": {result}}}')
    assert await asking == 1
    assert await send(link, "k-1")


async def test_pushes_arrive(host: FakeHost, link: Link, heard: Heard) -> None:
    await host.push("mail")
    await host.push("cancel", turn="turn-0001")
    await wait_for(lambda: len(heard.pushes) == 2)
    assert heard.pushes == [("mail", {}), ("cancel", {"turn": "turn-0001"})]


async def test_heartbeats_go_up(host: FakeHost, heard: Heard) -> None:
    host.heartbeat_seconds = 0.05
    async with running(Link(host.socket, INSTANCE, heard, QUICK)):
        await wait_for(lambda: host.heartbeats >= 3)


async def test_a_lost_answer_is_fetched_after_the_reconnect(host: FakeHost, link: Link) -> None:
    host.lose_answer = {"send"}
    answer = await send(link, "k-1")
    assert [call["key"] for call in host.calls_of("send")] == ["k-1", "k-1"]
    assert await send(link, "k-1") == answer
    assert len(host.hellos) == 2


async def test_requests_wait_for_a_host_that_restarts(host: FakeHost, link: Link) -> None:
    async with restarted(host):
        waiting = [asyncio.create_task(send(link, f"k-{i}")) for i in range(5)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*waiting)
    assert len({answer["id"] for answer in answers}) == 5
    assert [call["key"] for call in host.calls_of("send")] == [f"k-{i}" for i in range(5)]


async def test_a_request_waits_for_the_first_connection(socket: Path, heard: Heard) -> None:
    link = Link(socket, INSTANCE, heard, QUICK)
    async with running(link):
        waiting = asyncio.create_task(send(link, "k-1"))
        await asyncio.sleep(0)
        async with FakeHost(socket):
            assert (await waiting)["id"]


async def test_a_request_has_a_deadline(socket: Path, heard: Heard) -> None:
    link = Link(socket, INSTANCE, heard, QUICK)
    async with running(link):
        with pytest.raises(Unavailable, match=r"no answer from the host within 0\.05 s"):
            await send(link, "k-1", timeout=0.05)


async def test_an_answer_after_the_deadline_hurts_nobody(host: FakeHost, link: Link) -> None:
    with pytest.raises(Unavailable):
        await send(link, "k-1", timeout=0.0)
    assert await send(link, "k-2")


async def test_insisting_outlasts_a_refusal_that_passes(host: FakeHost, link: Link) -> None:
    host.refuse["send"] = Busy("the database is locked")
    asking = asyncio.create_task(link.insist("send", {"to": "bob", "body": "x", "key": "k"}))
    await wait_for(lambda: len(host.calls_of("send")) >= 2)
    host.refuse.clear()
    assert (await asking)["id"]


async def test_insisting_ends_with_a_refusal_for_good(host: FakeHost, link: Link) -> None:
    host.refuse["send"] = Forbidden()
    with pytest.raises(RemoteError, match="not allowed"):
        await link.insist("send", {"to": "bob", "body": "x", "key": "k"})
    assert len(host.calls_of("send")) == 1


async def test_what_is_too_large_does_not_leave(host: FakeHost, link: Link) -> None:
    with pytest.raises(TooLarge):
        await link.request("send", {"to": "bob", "body": "x" * 600_000, "key": "k"}, 5)
    assert not host.calls


async def test_a_body_that_json_blows_up_arrives(host: FakeHost, link: Link) -> None:
    """32 bodies of control characters: 12 MiB as JSON."""
    host.results["whoami"] = ["\x01" * 64 * 1024] * 32
    assert await link.request("whoami", {}, 5) == host.results["whoami"]


async def test_a_newer_harness_ends_this_one(host: FakeHost, heard: Heard) -> None:
    async with running(Link(host.socket, INSTANCE, heard, QUICK)) as older:
        await host.linked()
        async with running(Link(host.socket, "instance-2", Heard(), QUICK)):
            with pytest.raises(Superseded):
                await asyncio.wait_for(older, 5)


async def test_superseded_may_be_the_answer_to_hello(host: FakeHost, heard: Heard) -> None:
    async def supersede(ws: web.WebSocketResponse, hello: Json) -> None:
        await ws.close(code=SUPERSEDED)

    host.on_hello = supersede
    with pytest.raises(Superseded):
        await asyncio.wait_for(Link(host.socket, INSTANCE, heard, QUICK).run(), 5)


async def test_a_hive_that_is_removed_ends_the_link(host: FakeHost, heard: Heard) -> None:
    async with running(Link(host.socket, INSTANCE, heard, QUICK)) as task:
        await host.linked()
        await host.stop()
        shutil.rmtree(host.socket.parent)
        with pytest.raises(HiveGone):
            await asyncio.wait_for(task, 5)


async def test_a_host_that_is_away_does_not_end_the_link(host: FakeHost, heard: Heard) -> None:
    """The directory stays, so the hive does."""
    patient = Times(first_pause=0.01, longest_pause=0.05, gone=0.0)
    async with running(Link(host.socket, INSTANCE, heard, patient)) as task:
        await host.linked()
        async with restarted(host):
            await asyncio.wait({task}, timeout=0.3)
        await host.linked(2)
        assert not task.done()
