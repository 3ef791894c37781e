"""What goes and what stays, and that writers do not notice."""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from hyperhive.hive.records import Event, Turn
from hyperhive.store.batch import Change
from hyperhive.store.database import Database
from hyperhive.store.transaction import Rows
from tests.store import given
from tests.store.conftest import SMALL

NEVER = 10**9


def settled(tx: Rows, at: float, state: str = "acked") -> int:
    """A message with one delivery, settled at that time; its id."""
    delivery = given.mail(tx)
    tx.messages.settle([delivery], state, "", at)  # type: ignore[arg-type] # one of the literals
    return tx.messages.get_deliveries([delivery])[0].message.id


def messages(tx: Rows) -> list[int]:
    return sorted({d.message.id for d in tx.messages.recent(limit=1000)})


def test_messages_go_that_were_settled_long_ago(tx: Rows) -> None:
    old, new = settled(tx, 10.0), settled(tx, 20.0)
    given.mail(tx)
    assert tx.retention.messages(20.0, NEVER, 100) == 1
    assert tx.messages.get(old) is None
    assert tx.messages.get(new)
    assert len(messages(tx)) == 2
    assert tx.retention.messages(20.0, NEVER, 100) == 0


def test_messages_go_beyond_the_newest(tx: Rows) -> None:
    ids = [settled(tx, 10.0) for _ in range(5)]
    assert tx.retention.messages(0.0, 3, 100) == 2
    assert messages(tx) == ids[2:]


def test_what_waits_never_goes(tx: Rows) -> None:
    waiting, held = given.mail(tx), given.mail(tx)
    tx.messages.lease([held], "i", "t")
    settled(tx, 10.0)
    given.mail(tx)
    assert tx.retention.messages(1e12, 0, 100) == 1
    assert tx.messages.queued(2)[:2] == [waiting, held]


def test_a_message_stays_until_all_its_deliveries_are_old(tx: Rows) -> None:
    id_ = given.message(tx)
    first, second = (tx.messages.deliver(id_, to, "x") for to in (2, 3))
    newest = given.message(tx)
    tx.messages.settle([first], "acked", "", 10.0)
    assert tx.retention.messages(20.0, 0, 100) == 0, "one is still waiting"
    tx.messages.settle([second], "acked", "", 30.0)
    assert tx.retention.messages(20.0, NEVER, 100) == 0, "one is too young"
    assert tx.retention.messages(31.0, NEVER, 100) == 1
    assert tx.messages.get(id_) is None
    assert tx.messages.get(newest)


def test_dead_letters_stay_until_they_are_old(tx: Rows) -> None:
    dead = settled(tx, 10.0, "dead")
    expired, newest = settled(tx, 10.0, "expired"), settled(tx, 99.0)
    assert tx.retention.messages(0.0, 0, 100) == 1
    assert messages(tx) == [dead, newest]
    assert expired not in messages(tx)
    assert tx.retention.messages(11.0, NEVER, 100) == 1
    assert messages(tx) == [newest]


def test_a_step_deletes_no_more_than_its_limit_and_the_oldest_first(tx: Rows) -> None:
    ids = [settled(tx, float(number)) for number in range(10)]
    assert tx.retention.messages(5.0, 2, 3) == 3
    assert messages(tx) == ids[3:]
    assert [tx.retention.messages(5.0, 2, 3) for _ in range(3)] == [3, 2, 0]
    assert messages(tx) == ids[8:]


def test_numbers_are_not_given_out_again(tx: Rows) -> None:
    last = [settled(tx, 1.0) for _ in range(3)][-1]
    seq = [tx.events.append("k", None, {}, 1.0) for _ in range(3)][-1]
    turn = tx.events.append("turn_text", None, {}, 1.0)
    assert tx.retention.messages(1e12, 0, 100) == 2
    assert tx.retention.messages(1e12, 0, 100) == 0
    assert tx.retention.events(1e12, 1e12, 0, 100) == seq
    assert tx.retention.events(1e12, 1e12, 0, 100) == 0
    assert given.message(tx) == last + 1
    assert tx.events.last() == turn
    assert tx.events.append("k", None, {}, 1.0) == turn + 1


def test_events_go_by_age_with_the_turn_log_earlier(tx: Rows) -> None:
    for at in (10.0, 20.0, 30.0):
        tx.events.append("message", "a", {}, at)
        tx.events.append("turn_text", "a", {}, at)
    assert tx.retention.events(15.0, 25.0, NEVER, 100) == 3
    left = [(event.kind, event.at) for event in tx.events.after(0, 10)]
    assert left == [("message", 20.0), ("message", 30.0), ("turn_text", 30.0)]
    assert tx.events.floor() == 4, "resuming below 4 would miss the turn's event"


def test_events_go_beyond_the_newest(tx: Rows) -> None:
    for _ in range(10):
        tx.events.append("k", None, {}, 1.0)
    assert tx.retention.events(0.0, 0.0, 4, 5) == 5
    assert tx.events.floor() == 5
    assert tx.retention.events(0.0, 0.0, 4, 5) == 1
    assert tx.retention.events(0.0, 0.0, 4, 5) == 0
    assert [event.seq for event in tx.events.after(0, 10)] == [7, 8, 9, 10]
    assert tx.events.floor() == 6


def test_events_of_a_clock_that_was_ahead_go_beyond_the_newest(tx: Rows) -> None:
    ahead = [tx.events.append("k", None, {}, 1e9) for _ in range(3)]
    for _ in range(5):
        tx.events.append("k", None, {}, 1.0)
    assert tx.retention.events(2.0, 2.0, NEVER, 3) == 0, "they are waited for"
    assert tx.retention.events(2.0, 2.0, 5, 3) == len(ahead)
    assert tx.retention.events(2.0, 2.0, 5, 3) == 3
    assert len(tx.events.after(0, 10)) == 2


def test_the_floor_never_sinks(tx: Rows) -> None:
    for kind in ("message", "turn_text", "message"):
        tx.events.append(kind, "a", {}, 10.0)
    assert tx.retention.events(0.0, 20.0, NEVER, 9) == 1
    assert tx.events.floor() == 2
    assert tx.retention.events(20.0, 20.0, NEVER, 9) == 1
    assert tx.events.floor() == 2


def test_turns_go_with_the_turn_log_but_not_open_ones(tx: Rows) -> None:
    for number, ended in enumerate((10.0, 20.0, 30.0, None)):
        tx.turns.add(Turn(f"t{number}", 1, "i", "open", (), 1.0, ended))
    assert tx.retention.events(0.0, 25.0, NEVER, 1) == 1
    assert tx.retention.events(0.0, 25.0, NEVER, 9) == 1
    assert [turn.id for turn in tx.turns.recent(1)] == ["t3", "t2"]


def test_keys_go_by_age(tx: Rows) -> None:
    for number in range(5):
        tx.keys.add(1, f"k{number}", b"", {}, float(number))
    assert tx.retention.keys(3.0, 2) == 2
    assert tx.retention.keys(3.0, 2) == 1
    assert tx.retention.keys(3.0, 2) == 0
    assert [bool(tx.keys.find(1, f"k{n}")) for n in range(5)] == [False, False, False, True, True]


ROWS = 200_000
STEP = 100
"""Messages or events in one step, as the rules use it."""


@pytest.fixture
async def full(path: Path) -> Path:
    """200,000 settled messages, events and keys, each recipient's mixed with the others'."""
    await (await Database.open(path, SMALL)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA synchronous = OFF; BEGIN;"
            "CREATE TEMP TABLE n AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c"
            f" WHERE n < {ROWS}) SELECT n FROM c;"
            "INSERT INTO messages SELECT n, n % 200, 'a', 'agent', NULL, NULL, 0, n, NULL, NULL,"
            " NULL, '', hex(randomblob(100)) FROM n;"
            "INSERT INTO deliveries SELECT n, n, n % 200, 0, '', NULL, NULL, NULL, n % 199, 'b',"
            " 'acked', 1, NULL, NULL, NULL, 'i', 't', 'handled', n FROM n;"
            "INSERT INTO events SELECT n, n, 'message', 'a' || n % 200, '{\"id\":1}' FROM n;"
            "INSERT INTO keys SELECT n % 200, hex(randomblob(16)), zeroblob(32), '{}', n FROM n;"
            "COMMIT"
        )
    return path


async def test_a_large_database_is_ready_soon(full: Path) -> None:
    began = time.monotonic()
    database = await Database.open(full, SMALL)
    assert time.monotonic() - began < 5.0
    await database.close()


def held_up(database: Database) -> list[float]:
    """Grows by the seconds of CPU that each batch keeps the writer's thread.

    On a shared machine the clock would count what other programs do besides.
    """
    batches = database._writer.worker
    run, seconds = batches.run, list[float]()

    def timed(changes: Sequence[Change]) -> list[Event]:
        began = time.thread_time()
        try:
            return run(changes)
        finally:
            seconds.append(time.thread_time() - began)

    batches.run = timed  # type: ignore[method-assign] # measured from inside its thread
    return seconds


async def test_the_vacuum_holds_writers_up_for_less_than_50_ms(full: Path) -> None:
    database = await Database.open(full, SMALL)
    seconds = held_up(database)
    waits = []
    for _ in range(100):
        vacuum = asyncio.gather(
            database.write(lambda tx: tx.retention.messages(0.0, 10, STEP)),
            database.write(lambda tx: tx.retention.events(0.0, 0.0, 10, STEP)),
            database.write(lambda tx: tx.retention.keys(1e12, STEP)),
        )
        await asyncio.sleep(0)
        began = time.perf_counter()
        await database.write(given.mail)
        waits.append(time.perf_counter() - began)
        assert list(await vacuum) == [STEP, STEP, STEP]
    assert max(seconds) < 0.050
    assert statistics.median(waits) < 0.050
    await database.close()


async def test_a_vacuum_in_one_go_would_be_noticed(full: Path) -> None:
    database = await Database.open(full, SMALL)
    seconds = held_up(database)
    await database.write(lambda tx: tx.retention.messages(0.0, 10, ROWS // 4))
    assert max(seconds) > 0.050
    await database.close()
