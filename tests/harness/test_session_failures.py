"""What can go wrong with the real Claude Code: it dies or falls silent, the API refuses it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hyperhive.harness import session_client, session_start
from hyperhive.harness.session_events import ClaudeDied, ClaudeSilent, ClaudeUnavailable
from tests.support.claude import FOR_EVER, MODEL, bench, endless_commands, pid_of
from tests.support.scripted_model import failure, prompt_too_long, text, tool
from tests.support.wait import wait_for

pytestmark = pytest.mark.claude

NO_RETRY = {"x-should-retry": "false"}


async def test_killed_in_a_turn_it_takes_its_commands_along_and_is_resumed(tmp_path: Path) -> None:
    script = [text("first"), tool("Bash", command=FOR_EVER), text("resumed")]
    async with bench(tmp_path, script) as b:
        before = await b.run("the first prompt")
        turn = asyncio.create_task(b.run("the second prompt"))
        await wait_for(lambda: endless_commands(b.workspace), 20)
        os.kill(pid_of(b), signal.SIGKILL)
        with pytest.raises(ClaudeDied, match="exit code -9"):
            await turn
        await wait_for(lambda: not endless_commands(b.workspace))
        assert not b.session.warm
        after = await b.run("the third prompt")
        assert (after.session_id, after.text) == (before.session_id, "resumed")
        assert "the first prompt" in b.model.turns[-1].all_text


async def test_killed_between_turns_nobody_notices(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")]) as b:
        await b.run("the first prompt")
        client = b.session._client
        assert client is not None
        os.kill(pid_of(b), signal.SIGKILL)
        await wait_for(lambda: not client._process.is_ready())
        assert (await b.run()).clean
        assert "the first prompt" in b.model.turns[-1].all_text


@pytest.mark.parametrize("status", [401, 402, 429, 529])
async def test_an_api_error_is_not_a_clean_turn(tmp_path: Path, status: int) -> None:
    script = [failure(status, "some_error", "not now", NO_RETRY), text("ok")]
    async with bench(tmp_path, script) as b:
        outcome = await b.run()
        assert (outcome.status, outcome.api_status, outcome.clean) == ("api_error", status, False)
        assert "not now" in outcome.text
        assert len(b.model.turns) == 1
        assert (await b.run()).clean


async def test_says_that_the_api_is_tried_again(tmp_path: Path) -> None:
    async with bench(tmp_path, [failure(529, "overloaded_error", "busy"), text("ok")]) as b:
        assert (await b.run()).clean
        assert any("529" in note for note in b.texts("notice"))


async def test_an_overflow_that_cannot_be_compacted_is_recognised(tmp_path: Path) -> None:
    async with bench(tmp_path, [prompt_too_long(), text("ok")]) as b:
        outcome = await b.run()
        assert (outcome.status, outcome.api_status, outcome.clean) == ("overflow", 400, False)
        assert (await b.compact()).status == "failed"
        await b.session.new()
        assert (await b.run()).clean


async def test_compacts_by_itself_when_it_overflows(tmp_path: Path) -> None:
    script = [text("one"), text("two"), prompt_too_long(), text("a summary"), text("ok")]
    async with bench(tmp_path, script) as b:
        outcomes = [await b.run(f"prompt {number}") for number in range(3)]
        assert [outcome.status for outcome in outcomes] == ["completed"] * 3
        assert b.texts("notice") == ["The conversation was compacted."]
        assert "a summary" in b.model.turns[-1].all_text


async def test_compacts_when_told(tmp_path: Path) -> None:
    script = [text("one"), text("two"), text("<summary>it was nice</summary>"), text("ok")]
    async with bench(tmp_path, script) as b:
        first = await b.run("a long story")
        await b.run()
        outcome = await b.compact()
        assert (outcome.status, outcome.session_id) == ("completed", first.session_id)
        await b.run("and then?")
        assert "it was nice" in b.model.turns[-1].all_text
        assert "a long story" not in b.model.turns[-1].all_text


async def test_too_little_to_compact_costs_no_request(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")]) as b:
        await b.compact()
        assert b.model.turns == []


async def test_a_claude_that_falls_silent_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_client, "SILENCE_SECONDS", 1.0)
    async with bench(tmp_path, [text("well", hold=asyncio.Event()), text("ok")]) as b:
        with pytest.raises(ClaudeSilent, match="within 1 s"):
            await b.run()
        assert not b.session.warm
        assert (await b.run()).clean


@pytest.mark.parametrize("program", [None, "/nonexistent/claude", "/bin/false", "/bin/cat"])
async def test_a_claude_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    monkeypatch.setattr(session_start, "find_claude", lambda path: program)
    monkeypatch.setattr(session_client, "CONNECT_SECONDS", 1.0)
    async with bench(tmp_path, [text("ok")]) as b:
        with pytest.raises(ClaudeUnavailable):
            await b.run()
        assert not b.session.warm
        assert len(await b.session.check(model=MODEL)) == 1
