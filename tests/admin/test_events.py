"""The event log over the socket: live, resumed, and told when it cannot be resumed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hyperhive.admin.client import NoService
from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import RemoteError
from tests.admin.conftest import Served

LONG = "\x01" * 8_000  # each of them takes six bytes in JSON


async def take(served: Served, count: int, after: int | None = None) -> list[dict[str, Any]]:
    async with served.client as client, asyncio.timeout(10), aclosing(client.events(after)) as all_:
        found = []
        async for event in all_:
            found.append(event)
            if len(found) == count:
                break
        return found


async def append(served: Served, count: int) -> list[int]:
    def change(tx: Transaction) -> list[int]:
        return [tx.events.append("note", "alice", {"n": n}, 0.0) for n in range(count)]

    return await served.swarm.hive.store.write(change)


async def test_from_anywhere_without_a_gap(served: Served) -> None:
    numbers = await append(served, 1_200)
    whole = await take(served, numbers[-1], after=0)
    assert [event["seq"] for event in whole] == list(range(1, numbers[-1] + 1))
    assert await take(served, 5, after=numbers[0]) == whole[numbers[0] : numbers[0] + 5]


async def test_two_clients_see_the_same_live(served: Served) -> None:
    both = asyncio.gather(take(served, 3, after=0), take(served, 3, after=0))
    last = (await append(served, 3))[-1]
    one, other = await both
    assert one == other
    live = asyncio.create_task(take(served, 4, after=last))
    numbers = await append(served, 4)
    assert [event["seq"] for event in await live] == numbers


async def test_by_default_from_now_on(served: Served) -> None:
    await append(served, 3)
    connector = aiohttp.UnixConnector(str(served.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://admin/v1/events") as answer,
    ):
        assert answer.content_type == "application/jsonl"
        (number,) = await append(served, 1)  # the answer's head is there, and so is the place
        assert f'"seq":{number},' in (await answer.content.readline()).decode()


async def test_a_client_that_leaves_while_it_is_written_to(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error of the service: nothing is logged as one."""
    prepare, write = web.StreamResponse.prepare, web.StreamResponse.write
    connections: list[asyncio.Transport] = []

    async def prepared(response: web.StreamResponse, request: web.BaseRequest) -> Any:
        assert request.transport is not None
        connections.append(request.transport)
        return await prepare(response, request)

    async def write_to_nobody(response: web.StreamResponse, data: Any) -> None:
        connections[-1].close()
        await write(response, data)

    monkeypatch.setattr(web.StreamResponse, "prepare", prepared)
    monkeypatch.setattr(web.StreamResponse, "write", write_to_nobody)
    await append(served, 3)
    with pytest.raises(NoService):
        await take(served, 1, after=0)
    assert connections


async def test_long_texts_of_agents(served: Served) -> None:
    number = await served.swarm.append("note", "alice", {"text": LONG, "more": ["\u2028\n"] * 50})
    (event,) = await take(served, 1, after=number - 1)
    assert event["data"]["text"] == LONG


@pytest.mark.parametrize("after", [10**6, 10**14])
async def test_a_place_that_is_not_in_the_log(served: Served, after: int) -> None:
    await append(served, 3)
    assert await take(served, 5, after=after) == [{"reset": True}]


@pytest.mark.parametrize("after", ["", "-1", "x", "1.5", "٣", "1e3", "9" * 16, "0x1", " 1"])
async def test_what_is_no_place(served: Served, after: str) -> None:
    connector = aiohttp.UnixConnector(str(served.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://admin/v1/events", params={"after": after}) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["field"] == "after"


async def test_a_refusal_reaches_the_client(served: Served) -> None:
    with pytest.raises(RemoteError, match="must be the number of an event"):
        await take(served, 1, after=-1)
