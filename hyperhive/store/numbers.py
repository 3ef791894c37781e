"""Approvals and deploys share one sequence, so that one number names a change all along its way."""

from __future__ import annotations

import sqlite3


def next_number(connection: sqlite3.Connection) -> int:
    """Greater than any that was ever given: rows of both are kept for good."""
    (last,) = connection.execute(
        "SELECT max(ifnull((SELECT max(id) FROM approvals), 0),"
        " ifnull((SELECT max(id) FROM deploys), 0))"
    ).fetchone()
    return int(last) + 1
