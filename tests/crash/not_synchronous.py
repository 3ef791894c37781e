"""The service with a planted fault: it answers before the disk has what it says."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import tests.support.idle_agents  # noqa: F401  # for what it changes
from hyperhive.cli import main
from hyperhive.store.tuning import Tuning

_real = Tuning.__init__


def careless(self: Tuning, **options: object) -> None:
    """As the real one, but with `synchronous=NORMAL`."""
    _real(self, **{**options, "synchronous": "NORMAL"})  # type: ignore[arg-type]  # passed on


Tuning.__init__ = careless  # type: ignore[method-assign]  # the planted fault
main()
