"""What only tests and measurements change about the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hyperhive.store.schema import Migrations, packaged_migrations


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The defaults are what a hive runs with."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """NORMAL loses acknowledged changes at a power cut: it is how tests see that they can fail."""
    reserve_bytes: int = 64 * 2**20
    wal_limit: int = 512 * 2**20
    """Bytes of write-ahead log above which only essential changes are accepted."""
    busy_seconds: float = 5.0
    """How long a change waits for another process that holds the database's lock."""
    read_seconds: float = 10.0
    """After which a query is stopped: it keeps the write-ahead log from being emptied."""
    check_seconds: float = 4.0
    """What the check at start may take; the rest of a large database is not looked at."""
    migrations: Migrations = field(default_factory=packaged_migrations)
