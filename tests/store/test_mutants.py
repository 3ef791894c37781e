"""Databases damaged in every way we could think of: opened whole, or refused and left alone.

Damage inside a text that nothing else depends on cannot be seen, as SQLite keeps no checksum of
the database's pages: a flipped bit may change a letter of a body, but never lose a row.
"""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hyperhive.protocol.errors import StorageError
from hyperhive.store.database import Database
from hyperhive.store.failures import DatabaseRefused
from tests.store import given
from tests.store.conftest import SMALL
from tests.store.crashed import crashed_copy

COUNT = int(os.environ.get("STORE_MUTANTS", "20"))
"""A release is tried with 1,000."""

MESSAGES = 60
PAGE = 4096

Mutation = Callable[[Path, random.Random], None]


def flip_a_bit(path: Path, dice: random.Random) -> None:
    _change(path, dice, lambda old: bytes([old[0] ^ 1 << dice.randrange(8)]) + old[1:])


def flip_a_bit_of_the_log(path: Path, dice: random.Random) -> None:
    flip_a_bit(_log(path), dice)


def scramble_a_page(path: Path, dice: random.Random) -> None:
    _change(path, dice, lambda old: dice.randbytes(len(old)), PAGE)


def zero_a_page(path: Path, dice: random.Random) -> None:
    _change(path, dice, lambda old: bytes(len(old)), PAGE)


def zero_a_part_of_the_log(path: Path, dice: random.Random) -> None:
    zero_a_page(_log(path), dice)


def cut_short(path: Path, dice: random.Random) -> None:
    os.truncate(path, dice.randrange(path.stat().st_size))


def cut_a_page_off(path: Path, dice: random.Random) -> None:
    os.truncate(path, path.stat().st_size - PAGE)


def cut_the_log_short(path: Path, dice: random.Random) -> None:
    cut_short(_log(path), dice)


def delete_the_log(path: Path, dice: random.Random) -> None:
    _log(path).unlink()


def foreign_log(path: Path, dice: random.Random) -> None:
    shutil.copy(path.parent.parent / "foreign" / "hive.db-wal", _log(path))


def old_backup(path: Path, dice: random.Random) -> None:
    shutil.copy(path.parent.parent / "backup", path)


def empty(path: Path, dice: random.Random) -> None:
    os.truncate(path, 0)


def delete(path: Path, dice: random.Random) -> None:
    path.unlink()


def newer_schema(path: Path, dice: random.Random) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {dice.randrange(1_000, 2**31)}")


MUTATIONS: tuple[Mutation, ...] = (
    flip_a_bit,
    scramble_a_page,
    zero_a_page,
    flip_a_bit_of_the_log,
    zero_a_part_of_the_log,
    cut_short,
    cut_a_page_off,
    cut_the_log_short,
    delete_the_log,
    foreign_log,
    old_backup,
    empty,
    delete,
    newer_schema,
)
NEEDS_A_LOG = (flip_a_bit_of_the_log, zero_a_part_of_the_log, cut_the_log_short, delete_the_log)
CHANGES_CONTENT = (flip_a_bit, scramble_a_page, zero_a_page)


def _log(path: Path) -> Path:
    return path.with_name("hive.db-wal")


def _change(
    path: Path, dice: random.Random, change: Callable[[bytes], bytes], align: int = 1
) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        at = dice.randrange(size) // align * align
        file.seek(at)
        old = file.read(align)
        file.seek(at)
        file.write(change(old))


async def _fill(path: Path, first: int) -> Database:
    path.parent.mkdir(exist_ok=True)
    database = await Database.open(path, SMALL)
    for number in range(first, first + MESSAGES):
        await database.write(lambda tx: given.mail(tx, f"{number} " + "x" * 1000))  # noqa: B023 - awaited
    return database


@pytest.fixture
async def origins(tmp_path: Path) -> list[Path]:
    """One that was closed and one whose process was killed; beside them a backup, a foreign log."""
    foreign = await _fill(tmp_path / "other" / "hive.db", 1000)
    crashed_copy(tmp_path / "other" / "hive.db", tmp_path / "foreign")
    await foreign.close()
    path = tmp_path / "origin" / "hive.db"
    await (await _fill(path, 0)).close()
    shutil.copy(path, tmp_path / "backup")
    database = await _fill(path, MESSAGES)
    crashed_copy(path, tmp_path / "crashed")
    await database.close()
    return [path, tmp_path / "crashed" / "hive.db"]


async def _found(path: Path) -> dict[int, str]:
    database = await Database.open(path, SMALL)
    try:
        found = await database.read(lambda tx: tx.messages.recent(limit=1000))
    finally:
        await database.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return {delivery.id: delivery.message.body for delivery in found}


async def test_no_mutant_loses_a_message_unseen(origins: list[Path], tmp_path: Path) -> None:
    whole = {n + 1: f"{n} " + "x" * 1000 for n in range(2 * MESSAGES)}
    refused = 0
    for number in range(COUNT):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        killed = mutation in NEEDS_A_LOG or number // len(MUTATIONS) % 2
        path = tmp_path / f"mutant-{number}" / "hive.db"
        shutil.copytree(origins[bool(killed)].parent, path.parent)
        mutation(path, random.Random(number))
        damaged = path.read_bytes() if path.exists() else b""
        try:
            found = await _found(path)
        except DatabaseRefused as refusal:
            message = refusal.message
            found = {}
        except StorageError as error:
            assert "a text in the database is damaged" in error.message  # noqa: PT017 - one of many
            continue
        if found:
            assert found.keys() == whole.keys(), (number, mutation)
            assert mutation in CHANGES_CONTENT or found == whole, (number, mutation)
        else:
            refused += 1
            assert message.startswith(str(path)), (number, mutation)
            assert (path.read_bytes() if path.exists() else b"") == damaged, "kept as it was"
        shutil.rmtree(path.parent)
    assert refused > COUNT // 3
