"""Calls by POST: repeated when the answer got lost, told in words when the host makes no sense."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hyperhive.harness.post import PostCaller, call_once
from hyperhive.protocol.errors import HiveError, InvalidField, RemoteError, TooLarge, Unavailable
from tests.support.fake_host import FakeHost


@pytest.fixture
async def host(socket_dir: Path) -> AsyncIterator[FakeHost]:
    async with FakeHost(socket_dir / "hive.sock") as host:
        yield host


async def test_a_call_is_checked_and_completed(host: FakeHost) -> None:
    answer = await call_once(host.socket, "send", {"to": "bob", "body": "x"})
    (sent,) = host.calls_of("send")
    assert answer["id"]
    assert sent.keys() == {"to", "body", "key"}
    with pytest.raises(InvalidField, match="to"):
        await call_once(host.socket, "send", {"to": "!", "body": "x"})


async def test_a_refusal_keeps_its_word(host: FakeHost) -> None:
    async with PostCaller(host.socket) as caller:
        with pytest.raises(RemoteError) as refused:
            await caller.call("send", {"to": "bob"})
    assert refused.value.to_json()["field"] == "body"


async def test_nobody_there_is_said_in_time(socket_dir: Path) -> None:
    async with PostCaller(socket_dir / "none.sock", patience=0.3) as caller:
        with pytest.raises(Unavailable, match=r"no answer from the host within 0\.3 s"):
            await caller.call("whoami", {})


async def test_what_is_too_large_does_not_leave(host: FakeHost) -> None:
    async with PostCaller(host.socket) as caller:
        with pytest.raises(TooLarge):
            await caller.call("send", {"body": "x" * 600_000})
    assert not host.calls


class Odd:
    """A host that answers with these, one after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    async def answer(self, http: web.Request) -> web.Response:
        self.bodies.append(await http.read())
        answer = self.answers.pop(0)
        if answer is None:
            assert http.transport is not None
            http.transport.abort()
            return web.Response()
        status, text = answer
        return web.Response(status=status, text=text)


@pytest.fixture
async def odd(socket_dir: Path) -> AsyncIterator[Odd]:
    odd = Odd()
    app = web.Application()
    app.router.add_post("/v1/{verb}", odd.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket_dir / "odd.sock")).start()
    yield odd
    await runner.cleanup()


async def test_a_broken_connection_is_tried_again_with_the_same_key(
    odd: Odd, socket_dir: Path
) -> None:
    odd.answers = [None, None, (200, '{"id": 3}')]
    assert await call_once(socket_dir / "odd.sock", "send", {"to": "bob", "body": "x"}) == {"id": 3}
    assert len(odd.bodies) == 3
    assert len(set(odd.bodies)) == 1


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (502, "<html>", "status 502"),
        (500, "[]", "status 500"),
        (403, '{"error": "no"}', "malformed error"),
        (200, "{", "not acceptable JSON"),
    ],
)
async def test_an_answer_without_sense_is_an_error_in_words(
    odd: Odd, socket_dir: Path, status: int, text: str, words: str
) -> None:
    odd.answers = [(status, text)]
    async with PostCaller(socket_dir / "odd.sock") as caller:
        with pytest.raises(HiveError, match=words):
            await caller.call("whoami", {})


@pytest.mark.parametrize("text", ["{}", "[3]", '[{"id": 1}]', "null"])
async def test_odd_messages_are_passed_on(odd: Odd, socket_dir: Path, text: str) -> None:
    odd.answers = [(200, text)]
    async with PostCaller(socket_dir / "odd.sock") as caller:
        await caller.call("recv", {})
        assert caller.fill_in()["ack"] == ()
