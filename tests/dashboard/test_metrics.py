"""Figures for Prometheus."""

import re

import aiohttp

from tests.support.swarm import Swarm


async def test_figures_are_those_of_the_swarm(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    await hive.start("alice")
    await hive.send("manager", "alice", "one")
    await hive.send("alice", "operator", "two")
    await hive.ask("alice", "which?")
    await hive.spend("alice", 1_000)
    async with browser.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    for sample in (
        'hyperhive_agents{state="idle"} 1',
        'hyperhive_agents{state="starting"} 1',
        "hyperhive_agents_linked 1",
        "hyperhive_approvals_open 0",
        "hyperhive_questions_open 1",
        "hyperhive_operator_unread 1",
        "hyperhive_dashboard_streams 0",
        'hyperhive_messages_waiting{agent="alice"} 1',
        'hyperhive_usd_today{agent="alice"} 0.018',
        'hyperhive_tokens_today{agent="alice"} 2000',
        'hyperhive_model_requests_today{agent="manager"} 0',
        f"hyperhive_events_total {await hive.hive.events.last()}",
    ):
        assert f"\n{sample}\n" in text, sample


async def test_every_line_is_of_the_format(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    sample = re.compile(r'hyperhive_[a-z_]+(\{[a-z]+="[a-z0-9-]+"\})? [0-9.e+-]+')
    about = re.compile(r"# (HELP hyperhive_[a-z_]+ .+|TYPE hyperhive_[a-z_]+ (gauge|counter))")
    assert [line for line in lines if not (sample.fullmatch(line) or about.fullmatch(line))] == []
