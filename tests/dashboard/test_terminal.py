"""The browser's terminal as the server sees it: who may have one, and how it ends."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import WSServerHandshakeError

from hyperhive import terminal_socket
from hyperhive.dashboard import terminal as module
from hyperhive.hive.terminals import MAX_OPEN, MAX_PER_AGENT
from hyperhive.protocol.terminal import ENDED, MAX_FRAME, REFUSED, WINDOW
from tests.support.swarm import Swarm
from tests.support.viewing import PATH, PROMPT, Client, Viewer, viewing
from tests.support.wait import wait_for


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


async def test_what_is_asked_for_twice_is_named(running: Swarm, browser: Client) -> None:
    async with browser.get(f"{PATH}?rows=10&user=agent&user=root") as answer:
        assert answer.status == 400
        assert "user: is given more than once" in await answer.text()


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


async def has_room(client: Client) -> bool | None:
    """A terminal that is closed has its place until its shell is gone."""
    async with viewing(client) as viewer:
        with suppress(AssertionError):
            return bool(await viewer.until(PROMPT))
    return None


async def test_there_is_an_end_to_how_many(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as first:
        await first.until(PROMPT)
        others = [Viewer(await browser.ws_connect(PATH)) for _ in range(MAX_PER_AGENT - 1)]
        for viewer in others:
            await viewer.until(PROMPT)
        async with viewing(browser) as viewer:
            assert (await viewer.end())[1].startswith(f"alice has {MAX_PER_AGENT} open terminals")
        for viewer in others:
            await viewer.socket.close()
        await wait_for(lambda: has_room(browser), 10)
    assert MAX_PER_AGENT < MAX_OPEN


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


async def test_who_acknowledges_nothing_keeps_nothing_that_has_ended(
    running: Swarm, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_socket, "SEEN_SECONDS", 0.3)
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        viewer.acknowledges = False
        await viewer.type("yes\n")
        while viewer.owed <= WINDOW - MAX_FRAME:
            assert await viewer.next()
        for pid in shells(running):
            os.kill(int(pid), signal.SIGKILL)
        begun = time.monotonic()
        assert await viewer.end() == (ENDED, "the shell has ended")
        assert time.monotonic() - begun < 3
    await wait_for(lambda: not running.terminals._open)


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
        await wait_for(lambda: not shells(running) or None)


async def test_the_service_ends_them_all(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        await running.terminals.close()
        assert await viewer.end() == (REFUSED, "the service is stopping")
        await wait_for(lambda: not shells(running) or None)
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
