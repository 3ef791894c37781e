"""Deletion of what is old, in steps so small that a writer behind one does not notice."""

from __future__ import annotations

import sqlite3

from hyperhive.store.columns import ids_json
from hyperhive.store.events import FLOOR_KEY


class Retention:
    """Every step finds its rows at the beginning of an index and deletes at most `limit` of them.

    Freed pages are used again by later rows. The file does not shrink: giving pages back to the
    filesystem (auto_vacuum) would cost every write a pointer map, for space that the same limits
    let it grow into again.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def messages(self, older_than: float, keep: int, limit: int) -> int:
        # Numbers have almost no gaps: the newest `keep` messages are those above `last - keep`.
        (last,) = self._connection.execute("SELECT ifnull(max(id), 0) FROM messages").fetchone()
        ids = self._ids(
            "SELECT * FROM ("
            "  SELECT message_id FROM deliveries AS settled"
            "  WHERE settled_at < ?1 AND message_id < ?4 AND NOT EXISTS ("
            "    SELECT 1 FROM deliveries AS other WHERE other.message_id = settled.message_id"
            "    AND (other.settled_at IS NULL OR other.settled_at >= ?1)"
            "  ) ORDER BY settled_at LIMIT ?3"
            ") UNION SELECT * FROM ("
            "  SELECT message_id FROM deliveries AS settled"
            "  WHERE settled_at IS NOT NULL AND state != 'dead' AND message_id <= ?2"
            "  AND NOT EXISTS ("
            "    SELECT 1 FROM deliveries AS other WHERE other.message_id = settled.message_id"
            "    AND (other.settled_at IS NULL OR other.state = 'dead')"
            "  ) ORDER BY message_id LIMIT ?3"
            ") ORDER BY message_id LIMIT ?3",
            *(older_than, last - max(keep, 1), limit, last),
        )
        self._connection.execute(
            "DELETE FROM deliveries WHERE message_id IN (SELECT value FROM json_each(?))",
            (ids_json(ids),),
        )
        self._connection.execute(
            "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))", (ids_json(ids),)
        )
        return len(ids)

    def events(self, older_than: float, turns_older_than: float, keep: int, limit: int) -> int:
        """Turns that ended before `turns_older_than` go with their events."""
        (last,) = self._connection.execute("SELECT ifnull(max(seq), 0) FROM events").fetchone()
        # The oldest by number are the oldest by time, unless the clock was wrong: then some wait
        # for the others that were written meanwhile.
        numbers = self._ids(
            "SELECT seq FROM (SELECT seq, at FROM events WHERE seq > 0 ORDER BY seq LIMIT ?4)"
            "  WHERE seq <= ?3 OR at < ?1 AND seq < ?5"
            " UNION SELECT * FROM (SELECT seq FROM events"
            "  WHERE kind GLOB 'turn_*' AND at < ?2 AND seq < ?5 ORDER BY at LIMIT ?4)"
            " ORDER BY seq LIMIT ?4",
            *(older_than, turns_older_than, last - max(keep, 1), limit, last),
        )
        if numbers:
            self._connection.execute(
                "DELETE FROM events WHERE seq IN (SELECT value FROM json_each(?))",
                (ids_json(numbers),),
            )
            self._raise_floor(numbers[-1])
        turns = self._connection.execute(
            "DELETE FROM turns WHERE rowid IN ("
            "  SELECT rowid FROM turns WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
            (turns_older_than, limit - len(numbers)),
        )
        return len(numbers) + turns.rowcount

    def keys(self, older_than: float, limit: int) -> int:
        # One by one: in a list of pairs SQLite would look the sender up and walk all its keys.
        old = self._connection.execute(
            "SELECT sender_id, key FROM keys WHERE created_at < ? ORDER BY created_at LIMIT ?",
            (older_than, limit),
        ).fetchall()
        self._connection.executemany("DELETE FROM keys WHERE sender_id = ? AND key = ?", old)
        return len(old)

    def _raise_floor(self, seq: int) -> None:
        self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key)"
            " DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(?2 AS INTEGER))",
            (FLOOR_KEY, str(seq)),
        )

    def _ids(self, statement: str, *parameters: int | float) -> list[int]:
        return [id_ for (id_,) in self._connection.execute(statement, parameters).fetchall()]
