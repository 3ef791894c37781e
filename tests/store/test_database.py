"""The store as a whole: durable answers, savepoints, events, snapshots, closing."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Event
from hyperhive.protocol.errors import Conflict, Unavailable
from hyperhive.store.database import MAX_BATCH, READERS, Database
from hyperhive.store.failures import DatabaseRefused
from tests.store.conftest import SMALL


def put(key: str, value: str = "x") -> "Put":
    return Put(key, value)


class Put:
    """A change that stores one value and appends one event."""

    def __init__(self, key: str, value: str) -> None:
        self.key, self.value = key, value

    def __call__(self, tx: Transaction) -> int:
        tx.meta.set(self.key, self.value)
        return tx.events.append("put", None, {"key": self.key}, 1.0)


async def value(database: Store, key: str) -> str | None:
    return await database.read(lambda tx: tx.meta.get(key))


async def test_what_was_answered_is_there_after_opening_again(path: Path) -> None:
    database = await Database.open(path, SMALL)
    assert await database.write(put("k", "v")) == 1
    await database.close()
    database = await Database.open(path, SMALL)
    assert await value(database, "k") == "v"
    assert await database.write(put("k2")) == 2
    await database.close()


async def test_a_refusal_undoes_only_its_own_changes(database: Database) -> None:
    def refused(tx: Transaction) -> NoReturn:
        put("refused")(tx)
        raise Conflict("no")

    answers = await asyncio.gather(
        *(database.write(change) for change in (put("a"), refused, put("b"))),
        return_exceptions=True,
    )
    assert answers[0::2] == [1, 2], "the refused event's number was not used up"
    assert isinstance(answers[1], Conflict)
    assert [await value(database, key) for key in ("a", "refused", "b")] == ["x", None, "x"]


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        (lambda tx: 1 / 0, ZeroDivisionError),
        (lambda tx: next(iter(())), RuntimeError),
        (lambda tx: tx.keys.add(1, None, b"", 1, 1.0), sqlite3.IntegrityError),
        (lambda tx: tx.keys.add(1, object(), b"", 1, 1.0), sqlite3.ProgrammingError),
    ],
)
async def test_a_mistake_in_a_change_reaches_its_caller_alone(
    database: Database, mistake: object, expected: type[Exception]
) -> None:
    results = await asyncio.gather(
        database.write(put("a")),
        database.write(mistake),  # type: ignore[arg-type] # a mistake
        database.write(put("b")),
        return_exceptions=True,
    )
    assert isinstance(results[1], expected)
    assert [results[0], results[2]] == [1, 2]


async def test_a_cancelled_caller_does_not_cancel_its_change(database: Database) -> None:
    task = asyncio.create_task(database.write(put("k")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await database.write(put("other")) == 2
    assert await value(database, "k") == "x"


async def test_changes_that_wait_are_written_together(database: Database) -> None:
    batches: list[int] = []
    database.subscribe(lambda events: batches.append(len(events)))
    count = 2 * MAX_BATCH
    numbers = await asyncio.gather(*(database.write(put(f"k{n}")) for n in range(count)))
    assert sorted(numbers) == numbers == list(range(1, count + 1))
    assert batches == [1, MAX_BATCH, MAX_BATCH - 1], "the first does not wait for others"


async def test_what_may_be_lost_is_not_synced_and_the_next_sync_covers_it(
    database: Database,
) -> None:
    seen: list[tuple[int, int]] = []

    def look(tx: Transaction) -> None:
        connection = database._writer.worker._connection
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        seen.append((synchronous, database._writer.worker.commits))
        tx.meta.set("k", str(len(seen)))

    for durable in (True, False, False, True, True):
        await database.write(look, durable=durable)
    assert [synchronous for synchronous, _ in seen] == [2, 1, 1, 2, 2], "FULL is 2, NORMAL is 1"
    first = seen[0][1]
    assert [commits - first for _, commits in seen] == [0, 1, 1, 1, 2]


async def test_a_change_that_only_looks_costs_no_sync(database: Database, path: Path) -> None:
    await database.write(put("k"))
    before = (path.with_name("hive.db-wal").read_bytes(), database._writer.worker.commits)
    assert await database.write(lambda tx: tx.meta.get("k")) == "x"
    assert (path.with_name("hive.db-wal").read_bytes(), database._writer.worker.commits) == before


async def test_listeners_get_durable_events_before_the_answer(
    database: Database, path: Path
) -> None:
    other = sqlite3.connect(path)
    seen: list[tuple[Sequence[Event], int]] = []

    def listen(events: Sequence[Event]) -> None:
        (durable,) = other.execute("SELECT count(*) FROM events").fetchone()
        seen.append((events, durable))

    stop = database.subscribe(listen)
    number = await database.write(put("k"))
    assert seen == [([Event(number, 1.0, "put", None, {"key": "k"})], 1)]
    stop()
    await database.write(put("k"))
    assert len(seen) == 1
    other.close()


async def test_a_change_without_events_publishes_nothing(database: Database) -> None:
    seen: list[Sequence[Event]] = []
    database.subscribe(seen.append)
    await database.write(lambda tx: tx.meta.set("k", "v"))
    assert seen == []


async def test_a_listener_that_fails_harms_nobody(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Sequence[Event]] = []

    def fails(events: Sequence[Event]) -> None:
        raise ValueError("broken listener")

    database.subscribe(fails)
    database.subscribe(seen.append)
    await database.write(put("k"))
    assert len(seen) == 1
    assert "broken listener" in caplog.text


async def test_a_query_sees_one_snapshot_and_cannot_write(database: Database) -> None:
    await database.write(put("k", "old"))
    loop = asyncio.get_running_loop()
    first_look, changed = asyncio.Event(), loop.create_future()

    def query(tx: Transaction) -> tuple[str | None, str | None]:
        before = tx.meta.get("k")
        loop.call_soon_threadsafe(first_look.set)
        asyncio.run_coroutine_threadsafe(_wait(changed), loop).result(5)
        return before, tx.meta.get("k")

    reading = asyncio.create_task(database.read(query))
    await first_look.wait()
    await database.write(put("k", "new"))
    changed.set_result(None)
    assert await reading == ("old", "old")
    assert await value(database, "k") == "new"
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(put("k"))


async def _wait(future: "asyncio.Future[None]") -> None:
    await future


async def test_more_queries_than_readers_all_get_an_answer(database: Database) -> None:
    await database.write(put("k", "v"))
    answers = await asyncio.gather(*(value(database, "k") for _ in range(READERS * 5)))
    assert answers == ["v"] * (READERS * 5)


async def test_closing_writes_what_waits_and_takes_no_more(path: Path) -> None:
    database = await Database.open(path, SMALL)
    waiting = [asyncio.create_task(database.write(put(f"k{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await database.write(put("late"))
    with pytest.raises(Unavailable):
        await value(database, "k")
    assert await asyncio.gather(*waiting) == [1, 2, 3, 4, 5]
    await closing
    await database.close()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "hive.db",
        "hive.db.lock",
        "hive.db.reserve",
    ]


async def test_a_second_instance_is_refused_until_the_first_has_closed(path: Path) -> None:
    first = await Database.open(path, SMALL)
    with pytest.raises(DatabaseRefused, match=r"hive\.db\.lock: another hyperhive \(process \d+\)"):
        await Database.open(path, SMALL)
    assert await first.write(put("k")) == 1
    await first.close()
    await (await Database.open(path, SMALL)).close()


async def test_files_are_for_their_owner_alone(database: Database, path: Path) -> None:
    await database.write(put("k"))
    assert {p.name: p.stat().st_mode & 0o077 for p in path.parent.iterdir()} == {
        f"hive.db{end}": 0 for end in ("", "-wal", "-shm", ".lock", ".reserve")
    }
