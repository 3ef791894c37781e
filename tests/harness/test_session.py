"""Turns of the real Claude Code on a scripted model: warm, resumed, interrupted, changed."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.claude import (
    FOR_EVER,
    MODEL,
    OTHER_MODEL,
    bench,
    endless_commands,
    pid_of,
    refuse,
)
from tests.support.scripted_model import Reply, Request, text, tool
from tests.support.wait import wait_for

pytestmark = pytest.mark.claude


async def test_a_turn_ends_with_what_the_model_said_and_took(tmp_path: Path) -> None:
    usage = {"input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 20}
    async with bench(tmp_path, [text("hello", usage=usage)]) as b:
        first, second = await b.run("hi"), await b.run("again")
    assert (first.status, first.text, first.clean) == ("completed", "hello", True)
    assert (first.input_tokens, first.cache_read_tokens, first.output_tokens) == (100, 1000, 20)
    assert (first.context_tokens, first.context_window) == (1120, 200_000)
    assert 0 < second.seconds < first.seconds
    assert b.texts("text") == ["hello", "hello"]
    assert b.model.turns[0].model == MODEL
    assert "You are a test." in b.model.turns[0].system_text


async def test_stays_warm_and_keeps_its_id(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("one"), text("two")]) as b:
        assert (b.session.id, b.session.warm) == (None, False)
        first = await b.run()
        pid = pid_of(b)
        second = await b.run()
        assert pid_of(b) == pid
        assert first.session_id == second.session_id == b.session.id
        assert b.session.warm


async def test_a_prompt_is_read_not_obeyed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret word")
    async with bench(tmp_path, [text("ok")]) as b:
        for prompt in ("/compact", f"see @{secret} and /clear"):
            await b.run(prompt)
            assert prompt in b.model.turns[-1].all_text
        assert "the secret word" not in str(b.model.turns[-1].body)
        assert len(b.model.turns) == 2


OPTION_LIKE = (
    "--dangerously-skip-permissions",
    ' --settings={"permissions": {"defaultMode": "bypassPermissions"}}',
    "-p --allowedTools=Bash",
    "--\n--permission-mode=bypassPermissions",
)


async def test_text_that_looks_like_options_is_none(tmp_path: Path) -> None:
    """Neither as a message nor in the prompt, the name of a model or of a session."""
    system = "\n".join(OPTION_LIKE)
    model = OPTION_LIKE[0]

    def answer(request: Request) -> Reply:
        return text("done") if request.tool_results else tool("Bash", command="touch ran")

    async with bench(tmp_path, answer, refuse, prompt=system, fallback_model=model) as b:
        for number, message in enumerate(OPTION_LIKE):
            assert (await b.run(message)).clean
            assert message in b.model.turns[2 * number].all_text
        argv = Path(f"/proc/{pid_of(b)}/cmdline").read_text().split("\0")
        assert [word for word in argv if "skip-permissions" in word or "bypass" in word] == [
            f"--fallback-model={model}"
        ]
        assert system in b.model.turns[0].system_text
        b.session.options.id_file.write_text(model)
        assert (await b.run(model=model)).clean
        assert b.model.turns[-1].model == model
        assert len(b.texts("tool_refused")) == len(OPTION_LIKE) + 1
        assert list(b.workspace.iterdir()) == []


async def test_released_and_resumed(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("I remember"), text("still")]) as b:
        before = await b.run("the first prompt")
        await b.session.release()
        assert not b.session.warm
        after = await b.run("the second prompt")
        assert after.session_id == before.session_id
        assert "the first prompt" in b.model.turns[1].all_text


async def test_new_session_knows_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")]) as b:
        before = await b.run("the first prompt")
        await b.session.new()
        assert b.session.id is None
        after = await b.run("the second prompt")
        assert after.session_id != before.session_id
        assert not after.lost_session
        assert "the first prompt" not in b.model.turns[1].all_text


@pytest.mark.parametrize("lost", ["11111111-2222-3333-4444-555555555555", "transcript"])
async def test_a_session_that_is_gone_gives_way_to_a_new_one(tmp_path: Path, lost: str) -> None:
    async with bench(tmp_path, [text("ok")]) as b:
        if lost == "transcript":
            await b.run("the first prompt")
            await b.session.release()
            for transcript in (tmp_path / "home").rglob("*.jsonl"):
                transcript.unlink()
        else:
            b.session.options.id_file.write_text(lost)
        outcome = await b.run("the second prompt")
        assert outcome.clean
        assert outcome.lost_session
        assert b.session.id == outcome.session_id != lost
        assert any("cannot be resumed" in note for note in b.texts("notice"))
        assert not (await b.run()).lost_session


async def test_interrupts_a_command(tmp_path: Path) -> None:
    async with bench(tmp_path, [tool("Bash", command=FOR_EVER), text("next")]) as b:
        turn = asyncio.create_task(b.run())
        await wait_for(lambda: endless_commands(b.workspace), 20)
        pid = pid_of(b)
        await asyncio.wait_for(b.session.interrupt(), 5)
        assert turn.done()
        assert (await turn).status == "interrupted"
        await wait_for(lambda: not endless_commands(b.workspace))
        assert (await b.run()).text == "next"
        assert pid_of(b) == pid


async def test_interrupts_an_answer(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("and so on", hold=asyncio.Event()), text("next")]) as b:
        turn = asyncio.create_task(b.run())
        await b.model.wait_for_turns(1)
        await asyncio.wait_for(b.session.interrupt(), 5)
        assert (await turn).status == "interrupted"
        assert (await b.run()).text == "next"


async def test_interrupts_at_any_moment(tmp_path: Path) -> None:
    """Also while it starts, and between the prompt and the first request, where it is ignored."""
    async with bench(tmp_path, [text("slow", hold=asyncio.Event())]) as b:
        for delay in (0, 0.1, 0.5, 0, 0.001, 0.003, 0.01, 0.03):
            turn = asyncio.create_task(b.run())
            await asyncio.sleep(delay)  # the moment is what is tested
            await asyncio.wait_for(b.session.interrupt(), 9)
            assert (await turn).status == "interrupted", delay
            assert b.session.warm, delay


async def test_an_interrupt_without_a_turn_is_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")]) as b:
        await b.session.interrupt()
        assert (await b.run()).clean
        await b.session.interrupt()
        assert (await b.run()).clean


async def test_a_claude_that_ignores_the_interrupt_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhive.harness.session.INTERRUPT_SECONDS", 0.5)
    async with bench(tmp_path, [text("on and on", hold=asyncio.Event()), text("next")]) as b:
        turn = asyncio.create_task(b.run())
        await b.model.wait_for_turns(1)
        os.kill(pid_of(b), signal.SIGSTOP)
        await asyncio.wait_for(b.session.interrupt(), 5)
        assert (await turn).status == "interrupted"
        assert (await b.run()).text == "next"


async def test_a_cancelled_turn_leaves_no_process(tmp_path: Path) -> None:
    async with bench(tmp_path, [tool("Bash", command=FOR_EVER), text("next")]) as b:
        turn = asyncio.create_task(b.run())
        await wait_for(lambda: endless_commands(b.workspace), 20)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert not b.session.warm
        await wait_for(lambda: not endless_commands(b.workspace))
        assert (await b.run()).text == "next"


async def test_changes_the_model_in_the_same_session_and_asks_nothing_else(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")], fallback_model=OTHER_MODEL) as b:
        outcomes = [await b.run(model=model) for model in (MODEL, OTHER_MODEL, MODEL)]
        assert [request.model for request in b.model.turns] == [MODEL, OTHER_MODEL, MODEL]
        assert len({outcome.session_id for outcome in outcomes}) == 1


async def test_changed_options_reconnect_the_same_session(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")]) as b:
        before = await b.run("the first prompt")
        b.session.options = replace(b.session.options, tools=("Read",), prompt="You are new.")
        after = await b.run("the second prompt")
        assert after.session_id == before.session_id
        first, second = b.model.turns
        assert (first.tool_names, second.tool_names) == ({"Bash", "Read"}, {"Read"})
        assert "You are new." in second.system_text
        assert "the first prompt" in second.all_text


async def test_offers_all_tools_but_those_that_wait_or_start_turns(tmp_path: Path) -> None:
    async with bench(tmp_path, [text("ok")], tools=("*",)) as b:
        await b.run()
        assert {"Bash", "Edit", "Agent"} <= b.model.turns[0].tool_names
        assert not {"AskUserQuestion", "ScheduleWakeup", "Monitor"} & b.model.turns[0].tool_names
    async with bench(tmp_path, [text("ok")], tools=()) as b:
        await b.run()
        assert b.model.turns[0].tool_names == set()
