"""How values that SQLite has no type for stand in its columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hyperhive.hive.records import Deadline

to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Compact JSON in ASCII. A ready encoder: `json.dumps` with options builds one on every call."""

from_json = json.loads

NEWEST = 2**63 - 1
"""Stands for "from the newest on" where a page begins below a row id."""

DeadlineColumns = tuple[float | None, str | None, float | None]


def from_deadline(deadline: Deadline | None) -> DeadlineColumns:
    if deadline is None:
        return None, None, None
    return deadline.wall, deadline.boot_id, deadline.boottime


def to_deadline(columns: Sequence[Any]) -> Deadline | None:
    """The inverse: wall, boot and boottime, all null for None."""
    return None if columns[1] is None else Deadline(*columns)


def ids_json(ids: Sequence[int]) -> str:
    """For `IN (SELECT value FROM json_each(?))`: one statement text for any number of ids."""
    return to_json(list(ids))
