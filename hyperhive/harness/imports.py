"""Imports what takes long, at the moment it is needed."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import threading
from concurrent.futures import Future
from types import ModuleType
from typing import NoReturn

_threads: list[threading.Thread] = []


def import_late(name: str) -> ModuleType:
    """Without looking for garbage meanwhile, which is a tenth of the time, and finds none.

    What is there afterwards stays, and is not looked at again either.
    """
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


async def import_aside(name: str) -> ModuleType:
    """In a thread, so that the loop goes on. It cannot be interrupted; see `leave`."""
    found: Future[ModuleType] = Future()
    found.set_running_or_notify_cancel()

    def work() -> None:
        try:
            found.set_result(import_late(name))
        except Exception as error:
            found.set_exception(error)

    # None of an executor, whose threads are waited for at the end.
    thread = threading.Thread(target=work, name=f"import {name}", daemon=True)
    _threads.append(thread)
    thread.start()
    return await asyncio.wrap_future(found)


def leave(status: int) -> NoReturn:
    """Ends the program, also in the middle of an import, which would take seconds more."""
    if any(thread.is_alive() for thread in _threads):
        logging.shutdown()
        os._exit(status)
    sys.exit(status)
