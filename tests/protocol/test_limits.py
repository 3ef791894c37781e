"""Limits: the smaller of what an agent asks for and what the host grants."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hyperhive.protocol.bundle import Limits
from hyperhive.protocol.limits import Ceilings, effective

NAMES = [field.name for field in fields(Limits)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("asked", "granted", "counts"),
    [(None, None, None), (500, None, 500), (None, 500, 500), (400, 500, 400), (600, 500, 500)],
)
def test_the_smaller_counts(
    name: str, asked: int | None, granted: int | None, counts: int | None
) -> None:
    limits = effective(Limits(**{name: asked}), Limits(**{name: granted}))
    assert limits == Limits(**{name: counts})
    assert type(limits) is Limits


def test_the_usual_ceilings() -> None:
    assert effective(Limits(), Ceilings()) == Limits(
        memory_max=4 * 2**30, cpu_quota=200, tasks_max=1_024, io_weight=100
    )
    assert effective(Limits(tasks_max=64), Ceilings(memory_max=None)) == Limits(
        cpu_quota=200, tasks_max=64, io_weight=100
    )


def test_there_is_a_ceiling_for_each_limit() -> None:
    assert [field.name for field in fields(Ceilings)] == NAMES
