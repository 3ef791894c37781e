"""Deadlines: what counts in the same boot, and what in another one."""

import pytest

from hyperhive.hive.clock import deadline_at, deadline_in, iso, passed, remaining, utc_day
from tests.store.given import START, StepClock


@pytest.mark.parametrize("step", [3_600, -3_600, 86_400, -86_400, -START, 2**31])
def test_in_the_same_boot_the_wall_clock_does_not_count(step: float) -> None:
    clock = StepClock()
    deadline = deadline_in(clock, 60)
    clock.wall += step
    clock.pass_by(59)
    assert remaining(deadline, clock) == 1
    assert not passed(deadline, clock)
    clock.pass_by(1)
    assert passed(deadline, clock)


def test_in_another_boot_only_the_wall_clock_counts() -> None:
    clock = StepClock(boot=10_000)
    deadline = deadline_in(clock, 60)
    clock.reboot(seconds=45)
    assert remaining(deadline, clock) == 15
    clock.pass_by(15)
    assert passed(deadline, clock)


def test_nothing_remains_after_the_end() -> None:
    clock = StepClock()
    deadline = deadline_in(clock, 60)
    clock.pass_by(10_000)
    assert remaining(deadline, clock) == 0
    clock.reboot()
    assert remaining(deadline, clock) == 0


def test_a_moment_of_the_past_is_now() -> None:
    clock = StepClock()
    assert deadline_at(clock, clock.now() + 30) == deadline_in(clock, 30)
    assert deadline_at(clock, clock.now() - 30) == deadline_in(clock, 0)


def test_days_and_times_are_utc() -> None:
    assert utc_day(1_699_999_199.9) == "2023-11-14"
    assert [utc_day(1_700_006_399.9), utc_day(1_700_006_400.0)] == ["2023-11-14", "2023-11-15"]
    assert iso(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
    assert iso(4_300_000_000.0) == "2106-04-06T12:26:40.000Z"
