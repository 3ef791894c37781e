"""Waiting for a condition with a deadline, so that no test sleeps for a guessed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

INTERVAL = 0.01


@overload
async def wait_for(
    predicate: Callable[[], Awaitable[T | None]], timeout: float = ..., what: str = ...
) -> T: ...
@overload
async def wait_for(
    predicate: Callable[[], T | None], timeout: float = ..., what: str = ...
) -> T: ...
async def wait_for(predicate: Callable[[], object], timeout: float = 5.0, what: str = "") -> object:
    """The first true value of `predicate`, plain or async; AssertionError after `timeout` seconds.

    `what` says in that error what was waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        result = await value if inspect.isawaitable(value) else value
        if result:
            return result
        _check(deadline, timeout, what, predicate, result)
        await asyncio.sleep(INTERVAL)


def wait_until(predicate: Callable[[], T | None], timeout: float = 5.0, what: str = "") -> T:
    """`wait_for` without an event loop."""
    deadline = time.monotonic() + timeout
    while not (result := predicate()):
        _check(deadline, timeout, what, predicate, result)
        time.sleep(INTERVAL)
    return result


async def let_time_pass(seconds: float) -> None:
    """For tests of time itself: a pace, or that nothing more happens. Others wait for something."""
    await asyncio.sleep(seconds)


def _check(deadline: float, timeout: float, what: str, predicate: object, result: object) -> None:
    if time.monotonic() > deadline:
        wanted = what or getattr(predicate, "__qualname__", repr(predicate))
        raise AssertionError(f"waited {timeout} s for {wanted}; last seen: {result!r}")
