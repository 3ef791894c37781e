"""Turn events: in order, each once, bounded while nobody takes them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hyperhive.harness.link import Link, Times
from hyperhive.harness.orders import CurrentTurn, Orders
from hyperhive.harness.session_events import MAX_EVENT_BYTES
from hyperhive.harness.turn_log import KEPT, MAX_BATCH, TurnLog
from hyperhive.protocol.errors import Forbidden
from hyperhive.protocol.verbs import TurnEvent
from tests.support.fake_host import FakeHost, Turn, restarted

TURN = "turn-0001"


@pytest.fixture
async def host(socket_dir: Path) -> AsyncIterator[FakeHost]:
    async with FakeHost(socket_dir / "hive.sock") as host:
        host.turns[TURN] = Turn([])
        yield host


@contextlib.asynccontextmanager
async def owned(*coroutines: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(c) for c in coroutines]  # type: ignore[call-overload]  # all are coroutines
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def turn_log(host: FakeHost) -> AsyncIterator[TurnLog]:
    orders = Orders()
    orders.current = CurrentTurn(TURN)
    link = Link(host.socket, "instance-1", orders, Times(first_pause=0.01, longest_pause=0.05))
    log = TurnLog(link, TURN)
    async with owned(link.run(), log.run()):
        await host.linked()
        yield log


def texts(host: FakeHost) -> list[str]:
    return [event["text"] for event in host.turns[TURN].events]


def event(number: int) -> TurnEvent:
    return TurnEvent(kind="text", text=str(number))


async def test_events_arrive_in_order_and_in_batches(host: FakeHost, turn_log: TurnLog) -> None:
    for number in range(300):
        turn_log.add(event(number))
    await turn_log.drained()
    assert texts(host) == [str(number) for number in range(300)]
    sizes = [len(args["events"]) for args in host.calls_of("turn_events")]
    assert max(sizes) == MAX_BATCH
    assert len(sizes) == -(-300 // MAX_BATCH)


async def test_a_lost_answer_doubles_nothing(host: FakeHost, turn_log: TurnLog) -> None:
    host.lose_answer = {"turn_events"}
    for number in range(10):
        turn_log.add(event(number))
    await turn_log.drained()
    assert len(host.calls_of("turn_events")) > 1
    assert texts(host) == [str(number) for number in range(10)]


async def test_an_outage_costs_the_middle_and_says_so(host: FakeHost, turn_log: TurnLog) -> None:
    total = MAX_BATCH + 3 * KEPT
    async with restarted(host):
        for number in range(MAX_BATCH):
            turn_log.add(event(number))
        await asyncio.sleep(0)  # the first batch is on its way; it waits for the link
        for number in range(MAX_BATCH, total):
            turn_log.add(event(number))
    await turn_log.drained()
    kept = texts(host)
    notice = f"{total - MAX_BATCH - 2 * KEPT} events were dropped here while the host was away"
    first = MAX_BATCH + KEPT
    assert kept[:first] == [str(number) for number in range(first)]
    assert kept[first] == notice
    assert kept[first + 1 :] == [str(number) for number in range(total - KEPT, total)]


async def test_large_events_go_in_frames_the_host_takes(host: FakeHost, turn_log: TurnLog) -> None:
    for _ in range(MAX_BATCH):
        turn_log.add(TurnEvent(kind="text", text="\x01" * MAX_EVENT_BYTES))
    await turn_log.drained()
    assert len(texts(host)) == MAX_BATCH


async def test_refused_events_do_not_stop_the_log(host: FakeHost, turn_log: TurnLog) -> None:
    host.refuse["turn_events"] = Forbidden()
    turn_log.add(event(1))
    await turn_log.drained()
    host.refuse.clear()
    turn_log.add(event(2))
    await turn_log.drained()
    assert host.calls_of("turn_events")[-1]["events"][0]["text"] == "2"


async def test_a_text_the_host_would_refuse_is_made_fit(host: FakeHost, turn_log: TurnLog) -> None:
    for text in ("a\0b", "x" * (MAX_EVENT_BYTES + 1), "\ud800", "\0" * MAX_EVENT_BYTES):
        turn_log.add(TurnEvent(kind="text", text=text))
    await turn_log.drained()
    assert len(texts(host)) == 4
    assert texts(host)[0] == "a\N{SYMBOL FOR NULL}b"
