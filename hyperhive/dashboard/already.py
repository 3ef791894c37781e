"""Which orders would change nothing, so that their answer can say so."""

from __future__ import annotations

from hyperhive.dashboard.content import find_agent
from hyperhive.hive.hive import Hive
from hyperhive.hive.ports import Transaction


def runs_freely(hive: Hive, tx: Transaction, name: str) -> bool:
    """Whether a start would change nothing: it runs, and nothing holds it. Raises NotFound."""
    found = find_agent(tx, name)
    wanted = found.state == "present" and found.wanted == "running"
    free = wanted and found.hold is None and not found.quarantined
    return free and bool(hive.views.agent(tx, found)["linked"])


def has_turn(tx: Transaction, name: str) -> bool:
    """Raises NotFound."""
    return bool(tx.turns.open(find_agent(tx, name).id))
