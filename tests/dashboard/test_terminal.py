"""The browser's terminal as the server sees it: who may have one, what flows, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from hyperhive.dashboard import terminal as module
from hyperhive.hive.terminals import MAX_OPEN, MAX_PER_AGENT
from hyperhive.protocol.terminal import ENDED, MAX_FRAME, REFUSED, WINDOW
from tests.support.swarm import Swarm
from tests.support.wait import let_time_pass, wait_for

SECONDS = 5.0
PROMPT = rb"[#$] "
PATH = "/agents/alice/terminal"
Client = aiohttp.ClientSession


@dataclass
class Viewer:
    """What a page would be, acknowledging what it shows unless told otherwise."""

    socket: aiohttp.ClientWebSocketResponse
    shown: bytes = b""
    taken: int = 0
    acknowledges: bool = True
    owed: int = 0

    async def control(self, **what: object) -> None:
        await self.socket.send_str(json.dumps(what))

    async def acknowledge(self) -> None:
        await self.control(ack=self.owed)
        self.owed = 0

    async def next(self) -> bool:
        """Take one frame; False at the end."""
        message = await self.socket.receive(timeout=SECONDS)
        if message.type is WSMsgType.BINARY:
            self.shown += message.data
            self.owed += len(message.data)
            if self.acknowledges:
                await self.acknowledge()
        elif message.type is WSMsgType.TEXT:
            self.taken += json.loads(message.data)["ack"]
        return message.type in (WSMsgType.BINARY, WSMsgType.TEXT)

    async def until(self, pattern: bytes) -> re.Match[bytes]:
        while not (found := re.search(pattern, self.shown, re.DOTALL)):
            assert await self.next(), (self.socket.close_code, self.shown[-2000:])
        self.shown = self.shown[found.end() :]
        return found

    async def type(self, text: str) -> None:
        await self.socket.send_bytes(text.encode())

    async def end(self) -> tuple[int | None, str]:
        """Close code and reason."""
        while True:
            message = await self.socket.receive(timeout=SECONDS)
            if message.type is WSMsgType.CLOSE:
                return message.data, str(message.extra)
            if message.type in (WSMsgType.CLOSED, WSMsgType.ERROR):
                return self.socket.close_code, ""


@asynccontextmanager
async def viewing(client: Client, path: str = PATH) -> AsyncIterator[Viewer]:
    async with client.ws_connect(path, autoclose=False) as socket:
        yield Viewer(socket)


@pytest.fixture
async def running(hive: Swarm) -> Swarm:
    await hive.start("alice")
    return hive


async def refused(client: Client, path: str = PATH, **headers: str) -> int:
    with pytest.raises(WSServerHandshakeError) as error:
        async with client.ws_connect(path, headers=headers):
            pass
    return error.value.status


# --- who may ---


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "",
        "http://localhost:",
    ],
)
async def test_another_origin_is_refused(running: Swarm, browser: Client, origin: str) -> None:
    if origin.endswith("localhost:"):
        origin += str(running.port)  # known, but not of this Host
    assert await refused(browser, Origin=origin) == 403


async def test_no_origin_is_refused_whatever_else_is_said(running: Swarm, browser: Client) -> None:
    cookies = browser.cookie_jar.filter_cookies(browser._base_url)  # type: ignore[arg-type]  # it has one
    async with Client(running.url, cookies=cookies) as client:
        assert await refused(client, **{"Sec-Fetch-Site": "same-origin"}) == 403
        assert await refused(client, Origin=running.url, **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert await refused(client, Origin=running.url, Host="evil.example") == 403


async def test_who_is_not_logged_in_is_refused(running: Swarm) -> None:
    name = f"hyperhive-{running.port}"
    for cookies in ({}, {name: "guessed"}, {"hyperhive-1": "of another port"}):
        async with Client(running.url, cookies=cookies) as client:
            assert await refused(client, Origin=running.url) == 401
            token = {"Authorization": "Bearer a fixed token of the operator"}
            assert await refused(client, Origin=running.url, **token) == 401


@pytest.mark.parametrize(
    "query",
    ["rows=0", "rows=1001", "columns=-1", "rows=x", "rows=99999", "user=nobody", "what=1"],
)
async def test_a_wrong_query_is_told(running: Swarm, browser: Client, query: str) -> None:
    assert await refused(browser, f"{PATH}?{query}") == 400


async def test_what_is_no_websocket_is_told_so(running: Swarm, browser: Client) -> None:
    async with browser.get(PATH) as answer:
        assert answer.status == 400
    assert await refused(browser, "/agents/NO/terminal") == 400


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/agents/nobody/terminal", "there is no agent 'nobody'"),
        ("/agents/manager/terminal", "manager does not run"),
        (f"{PATH}?user=root", "not for root"),
    ],
)
async def test_what_there_is_not_is_said_when_closing(
    running: Swarm, browser: Client, path: str, said: str
) -> None:
    async with viewing(browser, path) as viewer:
        code, reason = await viewer.end()
    assert (code, said in reason) == (REFUSED, True)
    audit = await running.hive.store.read(lambda tx: tx.audit.recent())
    assert not [entry for entry in audit if entry.action == "terminal_opened"]


async def test_opening_is_audited(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        audit = await running.hive.store.read(lambda tx: tx.audit.recent())
    found = [(e.actor, e.subject, e.detail) for e in audit if e.action == "terminal_opened"]
    assert found == [("operator", "alice", "as agent, dashboard")]


async def test_there_is_an_end_to_how_many(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as first:
        await first.until(PROMPT)
        others = [await browser.ws_connect(PATH) for _ in range(MAX_PER_AGENT - 1)]
        async with viewing(browser) as viewer:
            assert (await viewer.end())[1].startswith(f"alice has {MAX_PER_AGENT} open terminals")
        for socket in others:
            await socket.close()
        async with viewing(browser) as viewer:
            await viewer.until(PROMPT)
    assert MAX_PER_AGENT < MAX_OPEN


# --- what flows ---


async def test_typing_and_seeing(running: Swarm, browser: Client) -> None:
    async with viewing(browser, f"{PATH}?rows=33&columns=111") as viewer:
        await viewer.type("stty size\n")
        await viewer.until(rb"\r33 111\r")
        await viewer.control(resize=[50, 120])
        await viewer.type("stty size; exit\n")
        await viewer.until(rb"\r50 120\r")
        assert await viewer.end() == (ENDED, "the shell has ended")


async def test_a_character_in_two_frames_arrives_whole(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        await viewer.socket.send_bytes(b"echo seen-h\xc3")
        await viewer.socket.send_bytes(b"\xa9\n")
        await viewer.until(b"\rseen-h\xc3\xa9\r")
        await viewer.type(r"printf 'a\303'; sleep 0.2; printf '\251z\n'" + "\n")
        await viewer.until(b"\ra\xc3\xa9z\r")


async def test_a_flood_waits_for_who_does_not_acknowledge(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        viewer.acknowledges = False
        await viewer.type("yes\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                while await viewer.next():
                    pass
        assert WINDOW - MAX_FRAME < viewer.owed <= WINDOW
        await viewer.acknowledge()
        viewer.acknowledges = True
        assert await viewer.next()
        await viewer.type("\x03echo th''ere\n")
        await viewer.until(b"there")


async def test_a_flood_is_not_held_for_who_does_not_read(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        before = memory()
        await viewer.type("yes\n")
        await let_time_pass(1.0)
        assert memory() - before < 8 * 2**20


async def test_what_is_typed_while_nobody_reads_is_held_within_bounds(
    running: Swarm, browser: Client
) -> None:
    async with viewing(browser) as viewer:
        await viewer.type("stty raw -echo; echo rea''dy; exec sleep 600\n")
        await viewer.until(b"ready")
        for _ in range(8):
            await viewer.socket.send_bytes(b"x" * (MAX_FRAME - 100))
        code, reason = await viewer.end()
    assert (code, "typed ahead" in reason) == (REFUSED, True)


async def test_a_big_paste_through_what_echoes_it(running: Swarm, browser: Client) -> None:
    """Both directions are full at once, and neither waits for the other for ever."""
    total, piece = 2 * 2**20, 32 * 1024
    async with viewing(browser) as viewer:
        await viewer.type("stty raw -echo; echo rea''dy; exec head -c 2097152\n")
        await viewer.until(b"ready\r?\n")
        viewer.taken = 0
        sent = 0
        while sent < total:
            await viewer.socket.send_bytes(b"%07d\n" % (sent // piece) * (piece // 8))
            sent += piece
            while sent - viewer.taken > WINDOW - piece:
                assert await viewer.next()
        while await viewer.next():
            pass
        assert viewer.socket.close_code == ENDED
        assert len(viewer.shown) == total
        numbers = re.findall(rb"(?:(\d{7})\n){%d}" % (piece // 8), viewer.shown)
        assert [int(number) for number in numbers] == list(range(total // piece))


@pytest.mark.parametrize(
    "frame",
    [
        '{"ack": 262144}',
        '{"ack": -1}',
        '{"resize": [0, 5]}',
        '{"resize": [5]}',
        "[]",
        "{",
        '{"a": 1}',
    ],
)
async def test_a_wrong_frame_ends_it_with_the_reason(
    running: Swarm, browser: Client, frame: str
) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        await viewer.control(resize=[10, 10])
        await viewer.socket.send_str(frame)
        code, reason = await viewer.end()
    assert code == REFUSED
    assert reason


async def test_a_frame_too_long_ends_it(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.socket.send_bytes(b"x" * (MAX_FRAME + 1))
        assert (await viewer.end())[0] == 1009


# --- ends ---


def shells(running: Swarm) -> list[str]:
    """Pids of what has alice's home."""
    home = f"HOME={running.directory / 'alice' / 'home'}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and home in (entry / "environ").read_bytes().split(b"\0"):
                found.append(entry.name)
        except OSError:
            pass
    return found


async def test_a_viewer_that_goes_takes_its_shell_along(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.type("sleep 600 & echo rea''dy\n")
        await viewer.until(b"ready")
        assert len(shells(running)) == 2
        response = viewer.socket._response
        assert response.connection is not None
        assert response.connection.transport is not None
        response.connection.transport.abort()
        await wait_for(lambda: not shells(running) or None, 10)


async def test_logging_out_ends_it(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer, running.browser() as other, viewing(other) as kept:
        await viewer.until(PROMPT)
        await kept.until(PROMPT)
        async with browser.post("/logout", allow_redirects=False) as answer:
            assert answer.status == 303
        assert await viewer.end() == (REFUSED, "you are logged out")
        await kept.type("echo st''ill\n")
        await kept.until(b"still")
    assert await refused(browser) == 401


async def test_a_session_that_expires_ends_it(
    running: Swarm, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        running.clock.forward(31 * 86_400)
        assert await viewer.end() == (REFUSED, "you are logged out")
        assert not shells(running)


async def test_the_service_ends_them_all(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        await running.terminals.close()
        assert await viewer.end() == (REFUSED, "the service is stopping")
        assert not shells(running)
        async with viewing(browser) as late:
            assert await late.end() == (REFUSED, "the service is stopping")


async def test_nothing_is_left_open(running: Swarm, browser: Client) -> None:
    async def once() -> None:
        async with viewing(browser) as viewer:
            await viewer.until(PROMPT)

    await once()
    await wait_for(lambda: not shells(running) or None)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        await once()
    await wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before or None)


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
