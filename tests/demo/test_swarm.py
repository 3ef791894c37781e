"""The scenario of the demo, played from its task to its report, and played with afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.demo import model
from hyperhive.demo.operator import play
from hyperhive.demo.scenario import SCENARIOS, Pace, load
from hyperhive.demo.transcript import Transcript
from tests.demo.tiny_swarm import TinySwarm
from tests.support.wait import wait_for

ALLOWED = [
    "cat *",
    "echo *",
    "expr *",
    "git *",
    "ls *",
    "mkdir *",
    "printf *",
    "sort *",
    "tee *",
    "wc *",
]

SWARM = load(SCENARIOS / "swarm.yaml")


assert SWARM.operator is not None
PART = replace(SWARM.operator, deadline_seconds=20)


@contextlib.asynccontextmanager
async def swarm(directory: Path, allowed: list[str] = ALLOWED) -> AsyncIterator[TinySwarm]:
    async with model.serve(SWARM, pace=Pace(interval_ms=0)) as url:
        tiny = TinySwarm(url, directory, allowed)
        running = asyncio.create_task(tiny.run())
        try:
            yield tiny
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def ask(tiny: TinySwarm, words: str, to: str = "manager") -> str:
    """What the operator is told after having written this."""
    before = len(await tiny.inbox())
    await tiny.send(to, words)
    await wait_for(lambda: _count(tiny) > before, what=f"an answer to {words!r}")
    return str((await tiny.inbox())[before]["body"])


def _count(tiny: TinySwarm) -> int:
    return sum(item["to"] == "operator" for item in tiny.mail)


async def test_the_play(tmp_path: Path) -> None:
    async with swarm(tmp_path) as tiny:
        outcome = await play(PART, tiny)
        transcript = Transcript(width=100)
        lines = [line for event in tiny.log for line in transcript.lines(event)]
        result, last = [str(item["body"]) for item in await tiny.inbox()]
    assert result == (
        "The honey adds up to 43 kg. The table, made by clerk:\nsouth 15\nnorth 12\neast 9\nwest 7"
    )
    assert outcome.report == last
    assert "here it stays as it is" in last  # without Nix there is nothing to propose
    honey = tmp_path / "clerk" / "honey"
    assert (honey / "figures.txt").read_text() == "north 12\neast 9\nsouth 15\nwest 7\n"
    assert (honey / "report.txt").read_text() == "south 15\nnorth 12\neast 9\nwest 7\n"
    refused, missing = [line for line in lines if " refused: " in line]
    assert "clerk     x Bash refused: `awk" in refused
    assert "cannot change to 'agents/clerk'" in missing
    assert [str(item["from"]) for item in tiny.mail] == [
        *("operator", "system", "system", "system"),
        *("manager", "clerk", "manager", "manager"),
    ]


async def test_another_answer_gives_another_table(tmp_path: Path) -> None:
    by_name = tuple(replace(each, answer="by name, please") for each in PART.answers)
    report = replace(PART.report, matches="43 kg")
    async with swarm(tmp_path) as tiny:
        outcome = await play(replace(PART, answers=by_name, report=report), tiny)
    assert (outcome.report or "").endswith("east 9\nnorth 12\nsouth 15\nwest 7")


async def test_other_figures_give_another_total(tmp_path: Path) -> None:
    task = replace(PART.task, body="add up: a 1, b 20, c 300, d 4000")
    report = replace(PART.report, matches="4321 kg")
    async with swarm(tmp_path) as tiny:
        assert (await play(replace(PART, task=task, report=report), tiny)).success


async def test_the_play_again(tmp_path: Path) -> None:
    async with swarm(tmp_path) as tiny:
        assert (await play(PART, tiny)).success
        assert (await play(PART, tiny)).success
    assert len(tiny.wanted) == 1  # the clerk of the first time does the work


async def test_an_allow_list_with_awk_needs_no_detour(tmp_path: Path) -> None:
    async with swarm(tmp_path, [*ALLOWED, "awk *"]) as tiny:
        assert (await play(PART, tiny)).success
    refused = [e for e in tiny.log if e["kind"] == "turn_tool_refused" and e["agent"] == "clerk"]
    assert refused == []


async def test_an_allow_list_that_is_too_short_is_reported(tmp_path: Path) -> None:
    async with swarm(tmp_path, ["ls *"]) as tiny:
        report = replace(PART.report, matches="clerk writes: I could not finish the work")
        assert (await play(replace(PART, report=report), tiny)).success


async def test_a_denied_clerk_is_reported(tmp_path: Path) -> None:
    decisions = tuple(replace(each, decision="deny", reason="too dear") for each in PART.decisions)
    report = replace(PART.report, matches="no spawn of clerk. too dear")
    async with swarm(tmp_path) as tiny:
        assert (await play(replace(PART, decisions=decisions, report=report), tiny)).success


async def test_a_clerk_that_does_not_start_is_reported(tmp_path: Path) -> None:
    report = replace(PART.report, matches="clerk did not start: no room")
    async with swarm(tmp_path) as tiny:
        tiny.broken_names.add("clerk")
        assert (await play(replace(PART, report=report), tiny)).success


async def test_playing_with_the_manager(tmp_path: Path) -> None:
    async with swarm(tmp_path) as tiny:
        assert "This is what I understand" in await ask(tiny, "help")
        assert "do not understand this" in await ask(tiny, "write me a poem")
        assert await ask(tiny, "run echo hello | wc -w") == "$ echo hello | wc -w\n1"
        assert "This did not work: Refused: `rm -rf" in await ask(tiny, "run rm -rf /tmp/x")


@pytest.mark.parametrize(
    ("words", "verb", "arguments"),
    [
        ("who", "list_agents", {}),
        ("start bob", "start", {"agent": "bob"}),
        ("stop bob", "kill", {"agent": "bob"}),
        ("restart bob", "restart", {"agent": "bob"}),
        ("logs bob", "get_logs", {"agent": "bob", "lines": 20}),
    ],
)
async def test_orders_to_the_manager(
    tmp_path: Path, words: str, verb: str, arguments: dict[str, object]
) -> None:
    async with swarm(tmp_path) as tiny:
        told = await ask(tiny, words)
    assert f'"verb": "{verb}"' in told
    for name, value in arguments.items():
        assert f'"{name}": {value!r}'.replace("'", '"') in told


async def test_playing_with_a_worker(tmp_path: Path) -> None:
    async with swarm(tmp_path) as tiny:
        tiny.agents["manager"].final.clear()
        await tiny.send("manager", "spawn bob for fun")
        await wait_for(lambda: tiny.wanted, what="the request")
        told = await ask_after_approval(tiny)
        assert told == "bob is there. Try: tell bob run uname -a"
        assert "$ expr 6 + 8\n14" in await ask(tiny, "tell bob run expr 6 + 8")
        assert "bob writes: I am a scripted model" in await ask(tiny, "tell bob: dance")
        assert await ask(tiny, "run echo hello", to="bob") == "$ echo hello\nhello"
        assert "run COMMAND" in await ask(tiny, "help", to="bob")
        assert "Send me `help`" in await ask(tiny, "sing", to="bob")


async def ask_after_approval(tiny: TinySwarm) -> str:
    before = _count(tiny)
    await tiny.approve(int(str(tiny.wanted[0]["id"])))
    await wait_for(lambda: _count(tiny) > before, what="news of the spawn")
    return str((await tiny.inbox())[before]["body"])


async def test_questions_in_play(tmp_path: Path) -> None:
    async with swarm(tmp_path) as tiny:
        await tiny.send("manager", "ask me: tea or coffee?")
        await wait_for(lambda: tiny.asked, what="the question")
        assert tiny.asked[0]["question"] == "tea or coffee?"
        before = _count(tiny)
        await tiny.answer(int(str(tiny.asked[0]["id"])), "tea")
        await wait_for(lambda: _count(tiny) > before, what="the echo")
    assert tiny.mail[-1]["body"] == "I asked: tea or coffee? I was told: tea"
