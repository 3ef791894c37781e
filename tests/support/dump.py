"""The whole of a database as text, to see whether anything in it changed."""

import sqlite3
from contextlib import closing
from pathlib import Path


def dump(path: Path) -> str:
    """Without the count of transactions: one that was undone to the last row counts as well."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        lines = list(connection.iterdump())
    return "\n".join(line for line in lines if not line.startswith('INSERT INTO "commits"'))
