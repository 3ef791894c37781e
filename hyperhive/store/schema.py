"""The schema as numbered migrations; the database's `user_version` is the last one applied."""

from __future__ import annotations

import re
import sqlite3
from functools import cache
from importlib import resources

APPLICATION_ID = 0x48695665
"""Marks a file as ours in its header (sqlite.org/fileformat2.html, offset 68)."""

Migrations = tuple[str, ...]
Objects = frozenset[tuple[str, str, str | None]]


@cache
def packaged_migrations() -> Migrations:
    """SQL of `migrations/NNNN_NAME.sql` in the order of the numbers, which begin at 1."""
    scripts = {
        int(match[1]): entry.read_text(encoding="utf-8")
        for entry in resources.files("hyperhive.store").joinpath("migrations").iterdir()
        if (match := re.fullmatch(r"(\d{4})_\w+\.sql", entry.name))
    }
    return tuple(scripts[number] for number in range(1, len(scripts) + 1))


def version(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def migrate(connection: sqlite3.Connection, migrations: Migrations) -> None:
    """Bring the schema up to date; each migration and its number are one transaction."""
    for number in range(version(connection) + 1, len(migrations) + 1):
        script = (
            f"BEGIN IMMEDIATE;\n{migrations[number - 1]};\nPRAGMA user_version = {number};COMMIT"
        )
        try:
            connection.executescript(script)
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise


def commits(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT n FROM counters WHERE id = -2").fetchone()[0]
    return number


def objects(connection: sqlite3.Connection) -> Objects:
    """Tables, indexes, views and triggers with the SQL that made them, but for ANALYZE's."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name NOT GLOB 'sqlite_stat*'"
    )
    return frozenset(rows.fetchall())


def expected_objects(migrations: Migrations) -> Objects:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, migrations)
        return objects(connection)
    finally:
        connection.close()
