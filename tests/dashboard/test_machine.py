"""What pages show of the machine: use, limits, space, how runs ended, what harnesses wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from hyperhive.dashboard import output
from hyperhive.hive.policy import Policy
from hyperhive.hive.records import Operation, RunEnd
from hyperhive.protocol.bundle import Limits
from hyperhive.protocol.errors import Unavailable
from tests.dashboard.test_pages import text, words
from tests.support.swarm import POLICY, Swarm, swarm


async def shown(browser: aiohttp.ClientSession, path: str = "/agents/alice") -> str:
    return words(await text(browser, path))


async def test_use_beside_limits(working: Swarm, browser: aiohttp.ClientSession) -> None:
    page = await shown(browser)
    assert "Memory 300 MiB of 4 GiB, not enforced CPU 1 min 15 s at most 200 % of one" in page
    assert "Tasks 12 of 1,024, not enforced Disk 1 GiB no disk quota" in page
    working.linked.clear()
    async with working.browser() as later:
        assert "Tasks" in await shown(later)  # for a moment what was read is shown again


async def test_one_that_does_not_run_has_no_figures(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    page = await shown(browser)
    assert "Limits 4 GiB of memory, 200 % of a CPU, 1,024 tasks , not enforced" in page
    assert "Memory" not in page
    assert "disk quota" not in page


def with_limits(ceilings: Limits) -> Policy:
    alice = replace(POLICY.declared["alice"], ceilings=ceilings)
    return replace(POLICY, declared={**POLICY.declared, "alice": alice})


@pytest.mark.parametrize(("kind", "enforced"), [("nspawn", True), ("local", False)])
async def test_limits_hold_in_containers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, enforced: bool
) -> None:
    rules = with_limits(Limits(tasks_max=99))
    async with swarm(tmp_path, rules, runtime_kind=kind) as made, made.browser() as browser:
        assert "Limits 99 tasks" in await shown(browser)
        monkeypatch.setattr("hyperhive.hive.gauge.FRESH_SECONDS", 0.0)
        await made.start("alice")
        page = await shown(browser)
        assert "Tasks 12 of 99" in page
        assert ("of 99, not enforced" not in page) == enforced
        assert "Memory 300 MiB CPU" in page


async def test_little_space_is_told_on_every_page(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    hive.hive.storage.level, hive.hive.storage.free = "critical", 0.031
    for path in ("/", "/agents/alice", "/messages", "/audit"):
        body = await text(browser, path)
        assert "Only 3% of the disk is free: agents are stopped until 12% are." in body
    hive.hive.storage.level = "enough"
    assert "of the disk is free" not in await text(browser, "/")


async def end(made: Swarm, last: RunEnd) -> None:
    alice = replace(await made.agent("alice"), last_end=last)
    await made.hive.store.write(lambda tx: tx.agents.save(alice))


@pytest.mark.parametrize(
    ("last", "words_for_it"),
    [
        (RunEnd("oom", -9, 0.0, True), "ran out of memory (signal 9)"),
        (RunEnd("crash", 1, 0.0, True), "crashed (exit code 1)"),
        (RunEnd("clean", 0, 0.0, True), "ended by itself (exit code 0)"),
        (RunEnd("start_timeout", None, 0.0, True), "did not start in time"),
        (RunEnd("unknown", None, 0.0, True), "ended"),
        (RunEnd("killed", -15, 0.0, False), "was killed (signal 15) as was wanted"),
    ],
)
async def test_how_the_last_run_ended(
    hive: Swarm, browser: aiohttp.ClientSession, last: RunEnd, words_for_it: str
) -> None:
    await end(hive, last)
    assert f"Last end {words_for_it} ," in await shown(browser)
    assert (words_for_it in await shown(browser, "/")) == last.unexpected


async def test_a_purge_that_fails_says_so(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    operation: Operation = await hive.hive.agents.destroy("alice", purge=True)
    failed = replace(operation, error="the files <cannot> be removed")
    await hive.hive.store.write(lambda tx: tx.operations.save(failed))
    page = await shown(browser)
    assert "Under way destroy by operator" in page
    assert "the files <cannot> be removed" in page
    async with browser.post(
        "/agents/alice/destroy",
        data={"purge": "yes", "confirm": "alice"},
        headers={"Accept": "application/json"},
    ) as again:
        assert again.status == 200


async def test_a_declared_agent_that_is_not_there(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    await hive.hive.agents.destroy("alice", purge=False)
    assert "Alice is declared, but was destroyed: revive it" in await shown(browser, "/")


async def test_what_the_harness_wrote(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    assert "It has written nothing yet." in await shown(browser)
    hive.written["alice"] = [f"line {n}" for n in range(300)] + ["\x1b[31m<b>\u202e"]
    for path in ("/agents/alice", "/agents/alice/output"):
        body = await text(browser, path)
        assert "line 101\n" in body
        assert "line 100\n" not in body
        assert "\\x1b[31m&lt;b&gt;\\u202e" in body
    async with browser.get("/agents/alice", headers={"X-Refresh": "yes"}) as answer:
        assert "line 299" not in await answer.text()  # the page keeps what it shows


async def test_what_it_wrote_is_bounded(
    hive: Swarm, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "MAX_TEXT", 5_000)
    hive.written["alice"] = [str(n) * 3_000 for n in range(9)]
    body = await text(browser, "/agents/alice/output")
    assert "6" * 100 not in body
    assert f"{'7' * 2_000}…\n{'8' * 2_000}…" in body


async def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    async def fail(*_: object) -> list[str]:
        raise Unavailable("the log cannot be read: <no>")

    async with swarm(tmp_path, logs=fail) as made, made.browser() as browser:
        assert "the log cannot be read: &lt;no&gt;" in await text(browser, "/agents/alice")
        await text(browser, "/agents/nobody/output", 404)


async def test_the_turn_log_of_an_earlier_agent_of_the_name_is_not_shown(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    await hive.append("turn_text", "alice", {"text": "of another life"})
    hive.clock.forward(10)
    younger = replace(await hive.agent("alice"), created_at=hive.clock.now())
    await hive.hive.store.write(lambda tx: tx.agents.save(younger))
    assert "of another life" not in await shown(browser)
