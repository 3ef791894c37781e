"""Tasks that end with the object that started them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Holds its tasks until they are done; `cancel` ends the rest and waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        """The coroutine answers for its own errors: nobody else will see them."""
        self.adopt(asyncio.create_task(coroutine, name=name))

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """Returns when none is left, also when the caller is itself cancelled meanwhile."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while tasks:
            try:
                _, tasks = await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
