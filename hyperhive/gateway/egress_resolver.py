"""Looks names up on the host; a slow name server holds up nobody but the agent that asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import defaultdict
from collections.abc import Sequence

LOOK_UPS = 2
"""Of one agent at a time; more wait."""


class Resolver:
    """getaddrinfo(3) can be neither cancelled nor hurried: what was given up still counts.

    In threads of its own, which do not keep the service from ending.
    """

    def __init__(self) -> None:
        self._free: defaultdict[int, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(LOOK_UPS)
        )

    async def __call__(self, name: str, agent_id: int) -> Sequence[str]:
        """The addresses of a name. Raises OSError, UnicodeError."""
        loop, free = asyncio.get_running_loop(), self._free[agent_id]
        answer: asyncio.Future[Sequence[str]] = loop.create_future()
        await free.acquire()

        def finish(found: Sequence[str] | Exception) -> None:
            free.release()
            if answer.done():  # given up meanwhile
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look_up() -> None:
            found = _addresses(name)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(finish, found)

        try:
            threading.Thread(target=look_up, name="resolve", daemon=True).start()
        except RuntimeError as error:  # no more threads
            free.release()
            raise OSError(str(error)) from None
        return await answer


def _addresses(name: str) -> Sequence[str] | Exception:
    """With a dot at the end: no search domain makes another name of it (resolv.conf(5))."""
    try:
        found = socket.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]
