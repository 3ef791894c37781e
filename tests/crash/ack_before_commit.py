"""The service with a planted fault: it answers before the commit that makes the answer true."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from collections.abc import Sequence

import tests.support.idle_agents  # noqa: F401  # for what it changes
from hyperhive.cli import main
from hyperhive.store.batch import Batches, Change


def answer_first(self: Batches, changes: Sequence[Change]) -> None:
    """Commit each batch only when the next one comes."""
    connection = self._connection
    if connection.in_transaction:
        connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    for change in changes:
        self._in_savepoint(change)


Batches._transact = answer_first  # type: ignore[method-assign]  # the planted fault
main()
