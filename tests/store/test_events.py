"""Rows of the event log."""

from hyperhive.hive.records import Event
from hyperhive.store.transaction import Rows


def test_events_are_numbered_and_resumed_from(tx: Rows) -> None:
    assert (tx.events.last(), tx.events.floor()) == (0, 0)
    numbers = [tx.events.append("k", name, {"n": name}, 5.0) for name in ("a", None, "a")]
    assert numbers == [1, 2, 3]
    assert tx.events.last() == 3
    assert tx.events.after(1, 10) == [
        Event(2, 5.0, "k", None, {"n": None}),
        Event(3, 5.0, "k", "a", {"n": "a"}),
    ]
    assert [event.seq for event in tx.events.after(0, 2)] == [1, 2]
    assert [event.seq for event in tx.events.after(0, 10, "a")] == [1, 3]


def test_what_was_appended_waits_to_be_published(tx: Rows) -> None:
    tx.events.append("k", "a", {"x": 1}, 5.0)
    assert tx.events.fresh == tx.events.after(0, 10)


def test_the_turn_log_is_one_agents_and_newest_first(tx: Rows) -> None:
    kinds = ("turn_began", "message", "turn_text", "turnip", "turn_ended")
    for kind in kinds:
        tx.events.append(kind, "alice", {}, 5.0)
        tx.events.append(kind, "bob", {}, 5.0)
    page = tx.events.turn_log("alice", 2)
    assert [event.kind for event in page] == ["turn_ended", "turn_text"]
    rest = tx.events.turn_log("alice", 5, before=page[-1].seq)
    assert [event.kind for event in rest] == ["turn_began"]


def test_crashes_of_one_agent_since_a_time(tx: Rows) -> None:
    for at in (1.0, 2.0, 3.0):
        tx.events.append("crash", "alice", {"exit": at}, at)
    tx.events.append("crash", "bob", {}, 3.0)
    tx.events.append("spawned", "alice", {}, 3.0)
    assert [event.data["exit"] for event in tx.events.crashes("alice", 2.0)] == [2.0, 3.0]
