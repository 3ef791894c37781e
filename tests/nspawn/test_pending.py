"""Answers that come in time, too late, twice, or to a loop that is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread

import pytest

from hyperhive.nspawn.failures import NoAnswer
from hyperhive.nspawn.pending import Pending


class Discarded(list[str]):
    def pending(self) -> Pending[str]:
        return Pending("the call", self.append)


@pytest.fixture
def discarded() -> Discarded:
    return Discarded()


def elsewhere(act: Callable[[], None]) -> None:
    thread = Thread(target=act)
    thread.start()
    thread.join()


def never() -> None:
    raise AssertionError("cancelled, although the answer was taken")


async def test_an_answer_from_another_thread(discarded: Discarded) -> None:
    pending = discarded.pending()
    waiting = asyncio.create_task(pending.wait(5, never))
    elsewhere(lambda: pending.deliver("answer"))
    assert await waiting == "answer"
    assert discarded == []


async def test_an_error_from_another_thread(discarded: Discarded) -> None:
    pending, cancelled = discarded.pending(), asyncio.Event()
    elsewhere(lambda: pending.fail(KeyError("x")))
    with pytest.raises(KeyError):
        await pending.wait(5, cancelled.set)


async def test_an_answer_too_late_is_discarded(discarded: Discarded) -> None:
    pending, cancelled = discarded.pending(), asyncio.Event()
    with pytest.raises(NoAnswer, match="the call"):
        await pending.wait(0.01, cancelled.set)
    assert cancelled.is_set()
    elsewhere(lambda: pending.deliver("answer"))
    elsewhere(lambda: pending.fail(KeyError("x")))
    await asyncio.sleep(0)
    assert discarded == ["answer"]


async def test_only_the_first_answer_counts(discarded: Discarded) -> None:
    pending = discarded.pending()
    elsewhere(lambda: pending.deliver("first"))
    elsewhere(lambda: pending.deliver("second"))
    assert await pending.wait(5, never) == "first"
    await asyncio.sleep(0)
    assert discarded == ["second"]


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_a_task_that_is_cancelled_beside_the_answer_keeps_nothing(
    discarded: Discarded, steps: int
) -> None:
    pending, cancelled = discarded.pending(), asyncio.Event()
    waiting = asyncio.create_task(pending.wait(5, cancelled.set))
    await asyncio.sleep(0)
    elsewhere(lambda: pending.deliver("answer"))
    for _ in range(steps - 1):
        await asyncio.sleep(0)
    waiting.cancel()
    try:
        assert await waiting == "answer"
        assert discarded == []
    except asyncio.CancelledError:
        assert discarded == ["answer"]
        assert cancelled.is_set()


def test_an_answer_for_a_loop_that_is_closed_is_discarded(discarded: Discarded) -> None:
    async def make() -> Pending[str]:
        return discarded.pending()

    pending = asyncio.run(make())
    pending.deliver("answer")
    pending.fail(KeyError("x"))
    assert discarded == ["answer"]
