"""Runs an agent: says hello first, imports what is slow afterwards, ends within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import uuid

from hyperhive.harness.imports import import_late
from hyperhive.harness.link import HiveGone, Link, Superseded
from hyperhive.harness.options import Options
from hyperhive.harness.orders import Orders
from hyperhive.harness.processes import (
    become_subreaper,
    give_up_new_privileges,
    kill_children,
)

log = logging.getLogger(__name__)

ENDED, SUPERSEDED, HIVE_GONE = 0, 3, 4
"""Exit statuses; a fault gives 1, wrong usage 2."""
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)
STOP_SECONDS = 4.0
"""For everything to end by itself after SIGTERM; what is left then is killed."""


def run(options: Options) -> int:
    """Run until told to end; returns the exit status."""
    become_subreaper()
    give_up_new_privileges()
    try:
        return asyncio.run(_run(options))
    finally:
        for number in _END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it is ending: the status shall say how
        if not kill_children():
            log.error("a process could not be ended")


async def _run(options: Options) -> int:
    stop = asyncio.Event()
    _set_on_signal(stop)
    orders = Orders()
    link = Link(options.socket, str(uuid.uuid4()), orders)
    linked = asyncio.create_task(link.run(), name="link")
    working = asyncio.create_task(_work(options, link, orders), name="work")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks = {linked, working, stopping}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return _status(linked, working)
    finally:
        # The link goes last: the work may still have something to say.
        for task in (working, stopping, linked):
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)


def _set_on_signal(stop: asyncio.Event) -> None:
    """Not by the loop's own handlers: with it they go, and the next SIGTERM would kill."""
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is ending already
            loop.call_soon_threadsafe(stop.set)

    for number in _END_SIGNALS:
        signal.signal(number, handle)


async def _work(options: Options, link: Link, orders: Orders) -> None:
    welcome = await orders.first_welcome
    module = import_late("hyperhive.harness.work")
    await module.work(options, link, orders, welcome)


def _status(linked: asyncio.Task[None], working: asyncio.Task[None]) -> int:
    """The exit status for what has ended; a fault is raised."""
    error = next((task.exception() for task in (linked, working) if task.done()), None)
    if error is None:
        log.info("told to end")
        return ENDED
    log.error("ending: %s", error)
    if isinstance(error, Superseded):
        return SUPERSEDED
    if isinstance(error, HiveGone):
        return HIVE_GONE
    raise error
