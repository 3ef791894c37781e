"""The whole of a database as text, to see whether anything in it changed."""

import sqlite3
from contextlib import closing
from pathlib import Path


def dump(path: Path) -> str:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump())
