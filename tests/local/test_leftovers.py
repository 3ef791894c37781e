"""What agents' commands leave behind is ended, however it hides."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from hyperhive.local import leftovers
from hyperhive.local.processes import look_up
from tests.local.conftest import Hive, agent, kill_and_reap
from tests.support.wait import let_time_pass, wait_for


@pytest.mark.parametrize("what", ["daemonised", "stripped", "headless", "twin"])
async def test_a_stop_leaves_nothing(hive: Hive, what: str) -> None:
    async with hive.running(what, "alice") as runtime:
        (child,) = await hive.children("alice")
        assert look_up(child) is not None
        await runtime.stop("alice")
        assert look_up(child) is None
        assert hive.processes("alice") == []


@pytest.mark.root
@pytest.mark.parametrize("what", ["escaped", "undumpable", "comet"])
async def test_a_uid_of_its_own_leaves_no_way_out(new_hive: Callable[[], Hive], what: str) -> None:
    hive = new_hive()
    async with hive.running(what, "alice") as runtime:
        await hive.children("alice")
        await runtime.stop("alice")
        for _ in range(5):  # one look may miss what forks all the time
            assert hive.processes("alice") == []
            await let_time_pass(0.02)


async def test_a_crash_leaves_nothing(hive: Hive) -> None:
    async with hive.running("daemonised", "alice"):
        await hive.children("alice")
        harness = min(hive.processes("alice"), key=lambda p: p.started)
        os.kill(harness.pid, signal.SIGKILL)
        await hive.end_of("alice")
        await wait_for(lambda: not hive.processes("alice"), 10)


async def test_a_crash_and_a_start_at_once(hive: Hive) -> None:
    """The commands of the run that crashed are ended, not those of the next one."""
    async with hive.running("daemonised", "alice") as runtime:
        await hive.children("alice")
        old = {p.pid for p in hive.processes("alice")}
        os.kill(min(old), signal.SIGKILL)
        await hive.end_of("alice")
        await runtime.start(agent("alice"))
        await wait_for(lambda: len(hive.processes("alice")) == 2, 10)
        assert old.isdisjoint(p.pid for p in hive.processes("alice"))
        await let_time_pass(leftovers.GRACE + 0.3)
        assert len(hive.processes("alice")) == 2


async def test_a_start_waits_for_what_is_left_of_the_last_run(hive: Hive) -> None:
    before = hive.runtime("daemonised")
    await before.start(agent("alice"))
    await hive.is_up(before, "alice")
    await hive.children("alice")
    await before.close()
    harness = min(hive.processes("alice"), key=lambda p: p.started)
    kill_and_reap(harness.pid)
    async with hive.running("wait", "alice"):
        assert len(hive.processes("alice")) == 1


async def test_what_ended_while_no_service_ran_leaves_nothing(hive: Hive) -> None:
    before = hive.runtime("daemonised")
    await before.start(agent("alice"))
    await hive.is_up(before, "alice")
    await hive.children("alice")
    await before.close()
    harness = min(hive.processes("alice"), key=lambda p: p.started)
    kill_and_reap(harness.pid)
    assert len(hive.processes("alice")) == 1
    async with hive.running("wait") as runtime:
        await runtime.adopt()
        assert await runtime.running() == {}
        assert hive.processes("alice") == []
