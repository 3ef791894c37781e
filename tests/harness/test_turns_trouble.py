"""Turns that end badly."""

import os
import signal
from pathlib import Path

import pytest

from hyperhive.protocol.errors import Forbidden
from tests.support.scripted_model import text, tool
from tests.support.turns import ANY_COMMAND, UNTIL_TOLD, claude_runs, until_begun
from tests.support.wait import wait_for
from tests.support.working import working

pytestmark = pytest.mark.claude


@pytest.mark.parametrize("option", ["turn_silence", "turn_limit"])
async def test_a_turn_that_hangs_fails(socket_dir: Path, option: str) -> None:
    script = [tool("Bash", command=UNTIL_TOLD), text("ok")]
    limits = {option: 6.0}
    async with working(socket_dir, script, options=limits, settings=ANY_COMMAND) as w:
        await w.host.mail("one")
        turn = await w.host.wait_for_end()
        assert turn.end["result"] == "failed"
        assert "broken off" in turn.end["error"]
        await w.host.mail("two")
        turn = await w.host.wait_for_end(2)
        assert turn.end["result"] == "clean"


async def test_a_claude_that_dies_fails_its_turn_only(socket_dir: Path) -> None:
    script = [tool("Bash", command=UNTIL_TOLD), text("ok")]
    async with working(socket_dir, script, settings=ANY_COMMAND) as w:
        await w.host.mail("one")
        await until_begun(w)
        for pid in claude_runs(w):
            os.kill(pid, signal.SIGKILL)
        turn = await w.host.wait_for_end()
        assert turn.end["result"] == "failed"
        assert "Claude Code" in turn.end["error"]
        await w.host.mail("two")
        turn = await w.host.wait_for_end(2)
        assert turn.end["result"] == "clean"


async def test_a_refused_end_does_not_stop_the_loop(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        w.host.refuse["turn_end"] = Forbidden()
        await w.host.mail("one")
        await wait_for(lambda: w.host.calls_of("turn_end"), 30)
        w.host.refuse.clear()
        await w.host.mail("two")
        await w.host.wait_for_end()


async def test_an_answer_to_turn_begin_that_cannot_be_read_fails_the_turn(
    socket_dir: Path,
) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        w.host.results["turn_begin"] = {"messages": "many"}
        await w.host.push("mail")
        await wait_for(lambda: w.host.calls_of("turn_begin"), 10)
        await wait_for(lambda: w.host.calls_of("turn_end"), 10)
        assert "messages" in w.host.calls_of("turn_end")[0]["error"]
