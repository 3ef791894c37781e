"""Rows of messages and the lists of them that people see."""

import pytest

from hyperhive.hive.records import Message
from hyperhive.store.transaction import Rows
from tests.store import given
from tests.store.given import StepClock


def test_a_message_begins_its_own_thread_unless_it_continues_one(
    tx: Rows, clock: StepClock
) -> None:
    expires = clock.within(60)
    first = tx.messages.add(1, "alice", "agent", "hé\0llo", None, None, 0, expires, 5.0)
    reply = tx.messages.add(2, "bob", "operator", "hi", first, first, 3, None, 6.0)
    assert tx.messages.get(first) == Message(
        first, 1, "alice", "agent", "hé\0llo", first, None, 0, 5.0, expires
    )
    assert tx.messages.get(reply) == Message(
        reply, 2, "bob", "operator", "hi", first, first, 3, 6.0, None
    )
    assert tx.messages.get(99) is None


def test_a_delivery_comes_with_its_message(tx: Rows, clock: StepClock) -> None:
    id_ = given.message(tx, "hi", expires=clock.within(60))
    delivery_id = tx.messages.deliver(id_, 2, "bob")
    (delivery,) = tx.messages.get_deliveries([delivery_id])
    assert delivery.message == tx.messages.get(id_)
    assert (delivery.id, delivery.recipient_id, delivery.recipient) == (delivery_id, 2, "bob")
    assert (delivery.state, delivery.attempt, delivery.outcome) == ("accepted", 1, "")
    assert (delivery.instance, delivery.turn, delivery.settled_at) == (None, None, None)


def test_what_cannot_be_delivered_is_settled_at_once(tx: Rows) -> None:
    delivery_id = tx.messages.deliver(given.message(tx, now=7.0), 2, "bob", "undeliverable")
    (delivery,) = tx.messages.get_deliveries([delivery_id])
    assert (delivery.state, delivery.settled_at) == ("undeliverable", 7.0)
    assert tx.messages.queued(2) == []


def test_a_message_concerns_its_sender_and_its_recipients(tx: Rows) -> None:
    id_ = given.message(tx, sender=1)
    tx.messages.deliver(id_, 2, "b")
    tx.messages.deliver(id_, 3, "c")
    assert [tx.messages.concerns(id_, who) for who in (1, 2, 3, 4)] == [True, True, True, False]
    assert not tx.messages.concerns(99, 1)


def test_recent_mail_is_paged_newest_first(tx: Rows) -> None:
    ids = [given.mail(tx, str(number)) for number in range(5)]
    page = tx.messages.recent(limit=2)
    assert [d.id for d in page] == [ids[4], ids[3]]
    assert [d.id for d in tx.messages.recent(limit=9, before=page[-1].id)] == ids[2::-1]


@pytest.mark.parametrize("settled", [(), (0, 2), (1, 3), (0, 1, 2, 3)])
def test_recent_mail_of_one_agent_is_what_it_sent_or_received(
    tx: Rows, settled: tuple[int, ...]
) -> None:
    sent = given.mail(tx, sender=1, to=2)
    other = given.mail(tx, sender=2, to=3)
    received = given.mail(tx, sender=3, to=1)
    to_itself = given.mail(tx, sender=1, to=1)
    ids = [(sent, other, received, to_itself)[index] for index in settled]
    tx.messages.settle(ids, "acked", "", 9.0)
    assert [d.id for d in tx.messages.recent(1)] == [to_itself, received, sent]
    assert [d.id for d in tx.messages.recent(1, limit=1)] == [to_itself]
    assert [d.id for d in tx.messages.recent(1, before=received)] == [sent]


def test_an_inbox_is_what_one_agent_received(tx: Rows) -> None:
    received = [given.mail(tx, to=1, sender=2) for _ in range(4)]
    given.mail(tx, to=2, sender=1)
    tx.messages.lease(received[:1], "i", "t")
    tx.messages.settle(received[2:3], "acked", "", 9.0)
    assert [d.id for d in tx.messages.inbox(1)] == received[::-1]
    assert [d.id for d in tx.messages.inbox(1, limit=2)] == received[:1:-1]


@pytest.mark.parametrize("state", ["acked", "dead", "expired", "undeliverable"])
def test_settled_mail_is_listed_by_state(tx: Rows, state: str) -> None:
    ids = {name: given.mail(tx) for name in ("acked", "dead", "expired", "undeliverable")}
    given.mail(tx)
    for name, id_ in ids.items():
        tx.messages.settle([id_], name, "", 9.0)  # type: ignore[arg-type] # one of the literals
    found = tx.messages.in_state(state)  # type: ignore[arg-type] # one of the literals
    assert [d.id for d in found] == [ids[state]]


def test_waiting_mail_is_listed_by_state(tx: Rows) -> None:
    accepted, leased, also = given.mail(tx), given.mail(tx), given.mail(tx, to=3)
    tx.messages.lease([leased], "i", "t")
    assert [d.id for d in tx.messages.in_state("accepted")] == [also, accepted]
    assert [d.id for d in tx.messages.in_state("accepted", limit=1)] == [also]
    assert [d.id for d in tx.messages.in_state("leased")] == [leased]
