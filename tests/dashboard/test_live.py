"""The stream: every stored event once and in order, whatever it holds and whoever reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from hyperhive.dashboard import live
from hyperhive.hive.clock import iso
from hyperhive.hive.records import Event
from tests.support.swarm import Swarm
from tests.support.wait import wait_for


@dataclass
class Frame:
    """One server-sent event, put together as the HTML standard (9.2.6) says."""

    id: str = ""
    event: str = "message"
    data: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads("\n".join(self.data))


def frames(text: str) -> list[Frame]:
    """Parse a stream; CR, LF and CRLF all end a line, and a blank line ends an event."""
    found, frame = [], Frame()
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if frame.data:
                found.append(frame)
            frame = Frame()
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                frame.id = value
            case "event":
                frame.event = value
            case "data":
                frame.data.append(value)
            case "" | "retry":
                pass
            case _:
                raise AssertionError(f"unknown field {line!r}")
    return found


class Reader:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.text = ""

    async def until(self, number: int) -> list[Frame]:
        """The first `number` events."""
        async with asyncio.timeout(10):
            while len(frames(self.text)) < number:
                await self.more()
        return frames(self.text)

    async def more(self) -> bytes:
        data = await self._answer.content.readany()
        self.text += data.decode()
        return data

    async def ended(self) -> None:
        """Returns when the other side closes."""
        async with asyncio.timeout(5):
            try:
                while await self.more():
                    pass
            except aiohttp.ClientError:
                pass


@asynccontextmanager
async def stream(
    browser: aiohttp.ClientSession, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Reader]:
    async with browser.get(f"/events{query}", headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Reader(answer)


async def test_what_happened_and_what_happens(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    first = await hive.append("one", "alice", {"a": 1})
    async with stream(browser, f"?after={first - 1}") as reader:
        await reader.until(1)
        await hive.append("two", None, {})
        found = await reader.until(2)
    at = iso(hive.clock.now())
    assert [frame.json for frame in found] == [
        {"seq": first, "at": at, "kind": "one", "agent": "alice", "data": {"a": 1}},
        {"seq": first + 1, "at": at, "kind": "two", "agent": None, "data": {}},
    ]
    assert [frame.id for frame in found] == [str(first), str(first + 1)]


async def test_without_a_place_it_begins_now(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    await hive.append("before", None, {})
    async with stream(browser) as reader:
        await hive.append("after", None, {})
        assert [frame.json["kind"] for frame in await reader.until(1)] == ["after"]


HOSTILE = [
    "a\rb",
    "a\nb",
    "a\r\nb",
    "\n\ndata: forged\n\n",
    "\nid: 99999\nevent: reset\n",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\0",
    ": comment",
    "\\n\\n",
    "</script>",
    "\ud83d\ude00 🐝",
]


async def test_one_event_in_is_one_event_out(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    texts = [text.encode("utf-16", "surrogatepass").decode("utf-16") for text in HOSTILE]
    after = await hive.hive.events.last()
    for text in texts:
        await hive.append("text", "alice", {"text": text, text: [text, {"deep": text}]})
    async with stream(browser, f"?after={after}") as reader:
        found = await reader.until(len(texts))
    expected = [{"text": text, text: [text, {"deep": text}]} for text in texts]
    assert [frame.json["data"] for frame in found] == expected
    assert [int(frame.id) for frame in found] == list(range(after + 1, after + 1 + len(texts)))
    assert {frame.event for frame in found} == {"message"}


def test_events_are_small() -> None:
    text = live.frame(Event(7, 0.0, "turn_text", "alice", {"text": "x" * 8_192})).decode()
    (frame,) = frames(text)
    assert frame.json["data"]["text"] == "x" * 200 + "…"
    assert len(text) < 400


async def test_a_reader_that_comes_and_goes_misses_nothing(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    after, total = await hive.hive.events.last(), 2_000

    async def write() -> None:
        for start in range(0, total, 50):
            await asyncio.gather(*(hive.append("n", None, {"n": start + i}) for i in range(50)))

    writing = asyncio.create_task(write())
    seen: list[int] = []
    place = {"Last-Event-ID": str(after)}
    while len(seen) < total:
        async with stream(browser, "?after=1", place) as reader:
            wanted = min(100, total - len(seen))
            found = await reader.until(wanted)
        seen += [int(frame.id) for frame in found]
        place = {"Last-Event-ID": found[-1].id}
    await writing
    assert seen == list(range(after + 1, after + 1 + total))


async def test_a_gap_is_a_reset_and_then_it_goes_on(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    for n in range(5):
        await hive.append("n", None, {"n": n})
    last = await hive.hive.events.last()
    now = hive.clock.now()
    await hive.hive.store.write(lambda tx: tx.retention.events(now + 1, now + 1, 1, 1_000))
    for after in (1, last + 1_000):
        async with stream(browser, f"?after={after}") as reader:
            await reader.until(1)
            await hive.append("live", None, {})
            reset, event = await reader.until(2)
            assert (reset.event, int(reset.id)) == ("reset", int(event.id) - 1)
            assert event.json["kind"] == "live"


@pytest.mark.parametrize("place", ["x", "-1", "1.5", "9" * 16, "٣"])
async def test_a_wrong_place_is_named(
    hive: Swarm, browser: aiohttp.ClientSession, place: str
) -> None:
    async with browser.get("/events", params={"after": place}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["field"] == "after"


async def test_a_quiet_stream_shows_that_it_lives(
    hive: Swarm, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live.LOOK_SECONDS * live.HEARTBEAT_LOOKS == 15
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    async with stream(browser) as reader:
        async with asyncio.timeout(5):
            while reader.text.count(": still here\n\n") < 2:
                await reader.more()
    assert frames(reader.text) == []


async def test_logout_closes_the_streams_of_this_session_only(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    async with hive.browser() as other, stream(browser) as mine, stream(other) as others:
        await mine.more()
        async with browser.post("/logout", allow_redirects=False) as answer:
            assert answer.status == 303
        await mine.ended()
        await hive.append("still", None, {})
        assert [frame.json["kind"] for frame in await others.until(1)] == ["still"]


async def test_a_session_that_is_over_gets_no_more(
    hive: Swarm, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    async with stream(browser) as reader:
        await reader.more()
        hive.clock.forward(31 * 86_400)
        await reader.ended()


async def test_streams_are_limited_and_given_back(
    hive: Swarm, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_STREAMS", 2)
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    streams = hive.app[live.STREAMS]
    async with stream(browser), stream(browser), browser.get("/events") as answer:
        assert answer.status == 503
        assert "live pages already" in (await answer.json())["error"]["message"]
    await wait_for(lambda: len(streams) == 0)
    async with stream(browser):
        assert len(streams) == 1


async def test_a_reader_that_does_not_read_is_dropped(
    hive: Swarm, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded by the connection's buffers; all of it is in the log anyway."""
    monkeypatch.setattr(live, "WRITE_SECONDS", 0.2)
    streams = hive.app[live.STREAMS]
    (cookie,) = browser.cookie_jar
    after = await hive.hive.events.last()
    reader, writer = await asyncio.open_connection("127.0.0.1", hive.port, limit=1024)
    head = [
        f"GET /events?after={after} HTTP/1.1",
        f"Host: 127.0.0.1:{hive.port}",
        f"Origin: {hive.url}",
        f"Cookie: {cookie.key}={cookie.value}",
    ]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    await wait_for(lambda: len(streams) == 1)
    many = {f"field{n}": "x" * 200 for n in range(200)}

    async def flood() -> bool:
        await asyncio.gather(*(hive.append("flood", None, dict(many)) for _ in range(20)))
        return len(streams) == 0

    await wait_for(flood, timeout=20)
    writer.close()
    async with stream(browser, f"?after={after}") as again:
        found = [int(frame.id) for frame in await again.until(50)]
    assert found[:50] == list(range(after + 1, after + 51))
