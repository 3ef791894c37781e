"""Imports what takes long, at the moment it is needed."""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType


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
