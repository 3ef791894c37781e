"""Time as the rules see it: a clock, and deadlines that neither its steps nor reboots move."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from hyperhive.hive.records import Deadline


class Clock(Protocol):
    """Time, injectable so that tests can step it."""

    @property
    def boot_id(self) -> str:
        """Identifies this boot of the host (random(4), /proc/sys/kernel/random/boot_id)."""

    def now(self) -> float:
        """Wall time, seconds since 1970."""

    def boottime(self) -> float:
        """Seconds since boot, including suspend (CLOCK_BOOTTIME, clock_gettime(2))."""


def deadline_in(clock: Clock, seconds: float) -> Deadline:
    """The moment `seconds` from now."""
    return Deadline(clock.now() + seconds, clock.boot_id, clock.boottime() + seconds)


def deadline_at(clock: Clock, wall: float) -> Deadline:
    """The moment of this wall time, as seen from now; times that are past are now."""
    return deadline_in(clock, max(0.0, wall - clock.now()))


def remaining(deadline: Deadline, clock: Clock) -> float:
    """Seconds left, never negative."""
    if deadline.boot_id == clock.boot_id:
        return max(0.0, deadline.boottime - clock.boottime())
    return max(0.0, deadline.wall - clock.now())


def passed(deadline: Deadline, clock: Clock) -> bool:
    return remaining(deadline, clock) <= 0.0


def utc_day(wall: float) -> str:
    """`YYYY-MM-DD` in UTC: the day that budgets are counted by."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d")


def iso(wall: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
