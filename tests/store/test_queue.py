"""Rows of deliveries: leasing in order, back-off, expiry, settling."""

import random

import pytest

from hyperhive.hive.records import Deadline, Delivery, DeliveryState
from hyperhive.protocol.model import MessageKind
from hyperhive.store.transaction import Rows
from tests.store import given
from tests.store.given import StepClock

PLENTY = 2**30


def lease_all(tx: Rows, clock: StepClock, limit: int = 100, max_bytes: int = PLENTY) -> list[int]:
    return [d.id for d in tx.messages.leasable(2, clock, limit, max_bytes)]


def get(tx: Rows, delivery_id: int) -> Delivery:
    return tx.messages.get_deliveries([delivery_id])[0]


def test_only_a_message_that_is_there_can_be_delivered(tx: Rows) -> None:
    given.mail(tx)
    with pytest.raises(LookupError, match="99"):
        tx.messages.deliver(99, 2, "bob")


def test_the_oldest_come_first_up_to_the_limit(tx: Rows, clock: StepClock) -> None:
    ids = [given.mail(tx) for _ in range(5)]
    given.mail(tx, to=3)
    assert lease_all(tx, clock, limit=3) == ids[:3]
    assert lease_all(tx, clock, limit=0) == []


def test_bodies_are_limited_in_bytes_but_one_always_fits(tx: Rows, clock: StepClock) -> None:
    ids = [given.mail(tx, "ü" * 10) for _ in range(3)]
    assert lease_all(tx, clock, max_bytes=40) == ids[:2]
    assert lease_all(tx, clock, max_bytes=39) == ids[:1]
    assert lease_all(tx, clock, max_bytes=1) == ids[:1]


def test_a_large_message_is_not_overtaken(tx: Rows, clock: StepClock) -> None:
    ids = [given.mail(tx, "x" * size) for size in (10, 1000, 10)]
    assert lease_all(tx, clock, max_bytes=100) == ids[:1]


def test_what_is_leased_is_not_leased_again(tx: Rows, clock: StepClock) -> None:
    first, second, third = (given.mail(tx) for _ in range(3))
    tx.messages.lease([first, second], "i1", "t1")
    assert lease_all(tx, clock) == [third]
    tx.messages.lease([first, third], "i2", None)
    held = {d.id: (d.instance, d.turn) for d in tx.messages.leased(2)}
    assert held == {first: ("i1", "t1"), second: ("i1", "t1"), third: ("i2", None)}


def test_leased_mail_is_narrowed_by_whatever_is_given(tx: Rows) -> None:
    a, b, c = given.mail(tx, to=2), given.mail(tx, to=2), given.mail(tx, to=3)
    tx.messages.lease([a], "i1", "t1")
    tx.messages.lease([b], "i2", "t2")
    tx.messages.lease([c], "i1", "t3")
    given.mail(tx, to=2)

    def ids(**given_: object) -> list[int]:
        return [d.id for d in tx.messages.leased(**given_)]  # type: ignore[arg-type] # by name

    assert ids() == [a, b, c]
    assert ids(recipient_id=2) == [a, b]
    assert ids(turn="t2") == [b]
    assert ids(instance="i1") == [a, c]
    assert ids(recipient_id=2, instance="i1") == [a]
    assert ids(recipient_id=3, turn="t1") == []
    assert ids(recipient_id=2, turn="t1", instance="i1") == [a]


def test_settling_is_for_good(tx: Rows, clock: StepClock) -> None:
    first, second = given.mail(tx), given.mail(tx)
    tx.messages.lease([first], "i", "t")
    tx.messages.settle([first, second], "acked", "handled", 9.0)
    tx.messages.settle([first], "dead", "late", 10.0)
    tx.messages.give_back(first, 2, None, "late")
    assert lease_all(tx, clock) == []
    done = get(tx, first)
    assert (done.state, done.outcome, done.settled_at) == ("acked", "handled", 9.0)
    assert (done.instance, done.turn) == ("i", "t"), "who handled it stays known"


def test_what_is_given_back_waits_for_its_back_off(tx: Rows, clock: StepClock) -> None:
    first, second = given.mail(tx), given.mail(tx)
    tx.messages.lease([first], "i", "t")
    tx.messages.give_back(first, 2, clock.within(30), "failed")
    returned = get(tx, first)
    assert (returned.state, returned.attempt, returned.outcome) == ("accepted", 2, "failed")
    assert (returned.instance, returned.turn) == (None, None)
    assert lease_all(tx, clock) == [second]
    clock.pass_by(29)
    assert lease_all(tx, clock) == [second]
    clock.pass_by(1)
    assert lease_all(tx, clock) == [first, second]


def test_a_back_off_is_not_moved_by_the_wall_clock(tx: Rows, clock: StepClock) -> None:
    id_ = given.mail(tx)
    tx.messages.give_back(id_, 2, clock.within(30), "failed")
    clock.wall += 3600
    assert lease_all(tx, clock) == []
    clock.wall -= 7200
    clock.boot += 30
    assert lease_all(tx, clock) == [id_]


def test_the_next_end_of_a_back_off(tx: Rows, clock: StepClock) -> None:
    first, second, third = (given.mail(tx) for _ in range(3))
    assert tx.messages.next_leasable(2) is None
    soon, later = clock.within(10), clock.within(20)
    tx.messages.give_back(first, 2, later, "failed")
    tx.messages.give_back(second, 2, soon, "failed")
    assert tx.messages.next_leasable(2) == soon
    clock.wall -= 3600
    stepped = clock.within(15)
    tx.messages.give_back(third, 2, stepped, "failed")
    assert tx.messages.next_leasable(2) == soon, "in one boot the boot time decides"
    tx.messages.give_back(third, 2, Deadline(soon.wall - 1, "other boot", 9e9), "failed")
    assert tx.messages.next_leasable(2) == Deadline(soon.wall - 1, "other boot", 9e9)


def test_expired_mail_is_found_and_no_longer_leased(tx: Rows, clock: StepClock) -> None:
    first = given.mail(tx, expires=clock.within(10))
    second = given.mail(tx, expires=clock.within(20))
    held = given.mail(tx, expires=clock.within(5))
    forever = given.mail(tx)
    tx.messages.lease([held], "i", "t")
    assert tx.messages.expired(clock, 10) == []
    clock.pass_by(10)
    assert [d.id for d in tx.messages.expired(clock, 10)] == [first]
    assert lease_all(tx, clock) == [second, forever]
    clock.pass_by(10)
    assert [d.id for d in tx.messages.expired(clock, 1)] == [first]
    tx.messages.settle([first], "expired", "expired", clock.now())
    assert [d.id for d in tx.messages.expired(clock, 10)] == [second]


def test_expiry_is_by_boot_time_in_one_boot_and_by_wall_time_after_it(
    tx: Rows, clock: StepClock
) -> None:
    id_ = given.mail(tx, expires=clock.within(100))
    clock.wall += 3600
    assert tx.messages.expired(clock, 10) == []
    clock.wall -= 3600
    clock.reboot(99)
    assert tx.messages.expired(clock, 10) == []
    clock.pass_by(1)
    assert [d.id for d in tx.messages.expired(clock, 10)] == [id_]


def test_system_mail_does_not_count_against_the_queue(tx: Rows) -> None:
    first, second = given.mail(tx), given.mail(tx, kind="operator")
    system = given.mail(tx, kind="system")
    given.mail(tx, to=3)
    assert tx.messages.undelivered(2) == 2
    tx.messages.lease([first], "i", None)
    assert tx.messages.undelivered(2) == 2
    tx.messages.settle([first], "acked", "", 9.0)
    assert tx.messages.undelivered(2) == 1
    assert tx.messages.queued(2) == [second, system]


def test_repeats_are_waiting_system_mail_with_the_same_key(tx: Rows) -> None:
    same = [given.mail(tx, kind="system", coalesce="full") for _ in range(3)]
    given.mail(tx, kind="system", coalesce="other")
    given.mail(tx, kind="system")
    given.mail(tx, kind="agent", coalesce="full")
    given.mail(tx, to=3, kind="system", coalesce="full")
    tx.messages.lease(same[:1], "i", "t")
    tx.messages.settle(same[1:2], "acked", "", 9.0)
    assert tx.messages.repeats(2, "full") == same[2:]
    assert tx.messages.repeats(2, "") == []


def test_the_length_of_a_queue_is_right_after_anything(tx: Rows, clock: StepClock) -> None:
    dice = random.Random(1)
    kinds: tuple[MessageKind, ...] = ("agent", "operator", "system")
    states: tuple[DeliveryState, ...] = ("acked", "dead", "expired", "undeliverable")
    for _ in range(500):
        known = [d.id for d in tx.messages.recent(limit=1000)]
        some = dice.sample(known, min(len(known), 3))
        match dice.randrange(5):
            case 0 | 1:
                given.mail(tx, to=dice.choice((2, 3)), kind=dice.choice(kinds))
            case 2:
                tx.messages.lease(some, "i", "t")
            case 3:
                tx.messages.settle(some, dice.choice(states), "", 1.0)
            case 4 if some:
                tx.messages.give_back(some[0], 2, clock.within(1), "")
        if dice.random() < 0.05:
            tx.retention.messages(1.0, 20, 5)
        for recipient in (2, 3):
            waiting = tx.messages.get_deliveries(tx.messages.queued(recipient))
            counted = [d for d in waiting if d.message.kind != "system"]
            assert tx.messages.undelivered(recipient) == len(counted)
            assert {d.state for d in waiting} <= {"accepted", "leased"}
