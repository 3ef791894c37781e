"""Owned tasks."""

import asyncio
import contextlib

from hyperhive.gateway.tasks import Tasks
from tests.support.wait import let_time_pass, wait_for


async def stubborn(ended: list[str]) -> None:
    """Needs a moment to end."""
    try:
        await asyncio.Event().wait()
    finally:
        await let_time_pass(0.01)
        ended.append("ended")


async def test_cancel_waits_for_the_end_of_all() -> None:
    tasks, ended = Tasks(), list[str]()
    for _ in range(3):
        tasks.spawn(stubborn(ended), "stubborn")
    await asyncio.sleep(0)
    assert len(tasks) == 3
    await tasks.cancel()
    assert (ended, len(tasks)) == (["ended"] * 3, 0)


async def test_cancel_waits_although_it_is_cancelled_itself() -> None:
    tasks, ended = Tasks(), list[str]()
    tasks.spawn(stubborn(ended), "stubborn")
    await asyncio.sleep(0)
    cancelling = asyncio.create_task(tasks.cancel())
    await asyncio.sleep(0)
    cancelling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await cancelling
    assert cancelling.cancelled()
    assert ended == ["ended"]


async def test_tasks_that_are_done_are_forgotten() -> None:
    tasks = Tasks()
    tasks.spawn(asyncio.sleep(0), "short")
    await wait_for(lambda: len(tasks) == 0)
    await tasks.cancel()
