"""A service killed under load, again and again, keeps every promise it made."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.traffic import Traffic
from tests.support.real_service import IDLE_AGENTS, Swarm, short_directory
from tests.support.wait import wait_for

pytestmark = pytest.mark.crash

SENDERS = tuple(f"s{i}" for i in range(8))
RECEIVERS = tuple(f"r{i}" for i in range(4))
CYCLES = 100
LOST_SEARCH_CYCLES = 30
"""With the planted fault: far more than it takes."""


@pytest.fixture
def root() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
def swarm(root: Path) -> Iterator[Swarm]:
    swarm = Swarm(root, ("manager", *SENDERS, *RECEIVERS), IDLE_AGENTS)
    swarm.prepare(auto_start=True)
    yield swarm
    swarm.end()


def traffic_of(swarm: Swarm) -> Traffic:
    sockets = {name: swarm.socket(name) for name in swarm.agents}
    return Traffic(
        {name: sockets[name] for name in SENDERS}, {name: sockets[name] for name in RECEIVERS}
    )


async def start(swarm: Swarm) -> float:
    """Seconds until it was ready."""
    begun = time.monotonic()
    swarm.start()
    await wait_for(swarm.is_ready, 30, f"a ready service: {swarm.log}")
    return time.monotonic() - begun


async def kill_somewhere(swarm: Swarm, traffic: Traffic, start_seconds: float) -> None:
    """At a random moment under load; every fifth time during start and recovery."""
    if random.random() < 0.2:
        swarm.start()
        await asyncio.sleep(random.uniform(0.3, 1.0) * start_seconds)
    else:
        await start(swarm)
        before = len(traffic.ledger.accepted)
        enough = before + random.randint(1, 150)
        await wait_for(lambda: traffic.count() >= enough, 30, "accepted messages")
    traffic.fault()
    await asyncio.to_thread(swarm.kill)


async def drain(swarm: Swarm, traffic: Traffic, seconds: float) -> None:
    """A last start, in which everything accepted has to arrive."""
    traffic.sending = False
    await start(swarm)
    await wait_for(lambda: not traffic.missing, seconds, "the last accepted message")


async def test_kill_9_under_load_loses_and_repeats_nothing(swarm: Swarm) -> None:
    random.seed(2)
    traffic = traffic_of(swarm)
    usual = await start(swarm)
    traffic.begin()
    try:
        await asyncio.to_thread(swarm.kill)
        for _ in range(CYCLES):
            await kill_somewhere(swarm, traffic, usual)
        await drain(swarm, traffic, 60)
    finally:
        await traffic.end()
    await asyncio.to_thread(swarm.kill)
    assert traffic.ledger.violations == []
    assert traffic.missing == set()
    assert len(traffic.ledger.accepted) > CYCLES
    assert swarm.rows("PRAGMA integrity_check") == [("ok",)]
    twice = swarm.rows("SELECT body, count(*) FROM messages GROUP BY body HAVING count(*) > 1")
    assert twice == []


async def test_an_answer_before_the_commit_is_found_out(swarm: Swarm) -> None:
    """The same harness must go red when the service lies."""
    random.seed(3)
    planted = Path(__file__).parent / "ack_before_commit.py"
    swarm.program = (str(planted),)
    traffic = traffic_of(swarm)
    usual = await start(swarm)
    traffic.begin()
    try:
        await asyncio.to_thread(swarm.kill)
        for _ in range(LOST_SEARCH_CYCLES):
            await kill_somewhere(swarm, traffic, usual)
            if traffic.ledger.violations:
                return
        swarm.program = IDLE_AGENTS
        with pytest.raises(AssertionError, match="the last accepted message"):
            await drain(swarm, traffic, 3)
    finally:
        await traffic.end()
