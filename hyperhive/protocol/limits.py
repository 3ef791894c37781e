"""What an agent may use at most: its own limits, held below the host's ceilings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from hyperhive.protocol.bundle import Limits
from hyperhive.protocol.schema import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings(Limits):
    """What the host grants at most, whatever an agent's own limits say; None is no ceiling."""

    memory_max: Annotated[int, Range(64 * 2**20, 2**50)] | None = 4 * 2**30
    cpu_quota: Annotated[int, Range(1, 100_000)] | None = 200
    tasks_max: Annotated[int, Range(64, 2**22)] | None = 1_024
    io_weight: Annotated[int, Range(1, 10_000)] | None = 100


def effective(settings: Limits, ceiling: Limits) -> Limits:
    """The smaller of both, limit by limit; what neither limits stays None."""

    def smaller(name: str) -> int | None:
        given = [getattr(limits, name) for limits in (settings, ceiling)]
        return min((value for value in given if value is not None), default=None)

    return Limits(**{field.name: smaller(field.name) for field in fields(Limits)})
