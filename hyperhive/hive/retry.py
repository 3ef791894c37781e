"""Trying again what failed for a reason that may pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hyperhive.protocol.errors import Conflict, HiveError, InvalidField, NotFound

log = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 5
RETRY_SECONDS = 5.0


async def insist(act: Callable[[], Awaitable[T]]) -> T:
    """Until it works: a store that is busy or full must not end the swarm."""
    while True:
        try:
            return await act()
        except HiveError as error:
            log.warning("%s; trying again", error.message)
            await asyncio.sleep(RETRY_SECONDS)


async def a_few_times(act: Callable[[], Awaitable[object]]) -> None:
    """Until it works. Raises its HiveError when it cannot, or does not within some seconds."""
    for left in reversed(range(ATTEMPTS)):
        try:
            await act()
        except HiveError as error:
            if not left or isinstance(error, NotFound | Conflict | InvalidField):
                raise
            log.warning("%s; trying again", error.message)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
