"""An answer on its way from another thread to a task that may have gone by then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from hyperhive.nspawn.failures import no_answer

T = TypeVar("T")


class Pending(Generic[T]):
    """Made by the task that waits; what arrives for nobody is given to `discard`."""

    def __init__(self, what: str, discard: Callable[[T], None]) -> None:
        self.what = what
        self._discard = discard
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[T] = self._loop.create_future()

    def deliver(self, value: T) -> None:
        """From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._settle, value)
        except RuntimeError:  # the loop is closed
            self._discard(value)

    def fail(self, error: Exception) -> None:
        """From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._settle_failed, error)
        except RuntimeError:  # the loop is closed
            return

    async def wait(self, timeout: float, cancel: Callable[[], None]) -> T:
        """Calls `cancel` unless there is an answer. Raises NoAnswer after `timeout` seconds."""
        taken = False
        try:
            async with asyncio.timeout(timeout):
                value = await self._answer
            taken = True
            return value
        except TimeoutError:
            raise no_answer(self.what) from None
        finally:
            if not taken:
                cancel()
                self._drop()

    def _settle(self, value: T) -> None:
        if self._answer.done():
            self._discard(value)
        else:
            self._answer.set_result(value)

    def _settle_failed(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    def _drop(self) -> None:
        """A task can be cancelled between the answer and its own next step."""
        if self._answer.cancel() or self._answer.cancelled():
            return
        if self._answer.exception() is None:
            self._discard(self._answer.result())
