"""Rows of the audit log, of logins, and single values."""

import sqlite3

import pytest

from hyperhive.store.transaction import Rows
from tests.store.given import StepClock


def test_the_audit_log_is_read_in_pages(tx: Rows) -> None:
    for number in range(5):
        tx.audit.append("operator", f"act-{number}", "alice", "why", float(number))
    newest = tx.audit.recent(2)
    assert [entry.action for entry in newest] == ["act-4", "act-3"]
    older = tx.audit.recent(2, before=newest[-1].id)
    assert [entry.action for entry in older] == ["act-2", "act-1"]
    first = older[0]
    assert (first.at, first.actor, first.subject, first.detail) == (2.0, "operator", "alice", "why")


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET actor = 'x'"])
def test_the_audit_log_is_neither_edited_nor_pruned(
    connection: sqlite3.Connection, tx: Rows, statement: str
) -> None:
    tx.audit.append("operator", "approve", "alice", "", 1.0)
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        connection.execute(statement)


def test_a_code_works_once(tx: Rows, clock: StepClock) -> None:
    tx.logins.add(b"code", "code", clock.within(600))
    assert not tx.logins.valid(b"code", clock), "a code is not a session"
    assert tx.logins.take(b"code", "code", clock)
    assert not tx.logins.take(b"code", "code", clock)
    assert not tx.logins.take(b"other", "code", clock)


def test_a_session_is_not_taken_for_a_code(tx: Rows, clock: StepClock) -> None:
    tx.logins.add(b"session", "session", clock.within(600))
    assert not tx.logins.take(b"session", "code", clock)
    assert tx.logins.valid(b"session", clock)
    tx.logins.remove(b"session")
    assert not tx.logins.valid(b"session", clock)


def test_logins_expire_by_boot_time_whatever_the_wall_clock_does(
    tx: Rows, clock: StepClock
) -> None:
    tx.logins.add(b"code", "code", clock.within(10))
    tx.logins.add(b"session", "session", clock.within(10))
    clock.wall += 86_400
    assert tx.logins.valid(b"session", clock)
    clock.wall -= 2 * 86_400
    clock.boot += 11
    assert not tx.logins.valid(b"session", clock)
    assert not tx.logins.take(b"code", "code", clock)


def test_logins_expire_by_wall_time_after_a_reboot(tx: Rows, clock: StepClock) -> None:
    tx.logins.add(b"session", "session", clock.within(120))
    clock.reboot(60)
    assert tx.logins.valid(b"session", clock)
    clock.pass_by(61)
    assert not tx.logins.valid(b"session", clock)


def test_expired_logins_are_removed(
    connection: sqlite3.Connection, tx: Rows, clock: StepClock
) -> None:
    tx.logins.add(b"old", "session", clock.within(10))
    tx.logins.add(b"new", "session", clock.within(100))
    clock.pass_by(50)
    tx.logins.remove_expired(clock)
    assert connection.execute("SELECT digest FROM logins").fetchall() == [(b"new",)]


def test_single_values_are_replaced(tx: Rows) -> None:
    assert tx.meta.get("boot_id") is None
    tx.meta.set("boot_id", "a")
    tx.meta.set("boot_id", "b")
    assert tx.meta.get("boot_id") == "b"
